"""One suite for all adapters of a port."""
