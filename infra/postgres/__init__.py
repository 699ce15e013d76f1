"""A PostgreSQL server of one's own on loopback, from the system's packages, for tests and for trying Xiaona out."""
