"""Tests against real servers: each is marked `kafka` or `postgres`, and runs by `make test-servers` alone."""
