"""The topics that a cluster is made with: all of Xiaona's, in and out."""

from gridcore.topics import INCOMING, OUTGOING

TOPICS = (*INCOMING, *OUTGOING)
