"""Tests against real servers: `make test-servers`."""
