"""The servers that the tests of this folder are run against."""

from tests.servers.postgres_server import postgres

__all__ = ["postgres"]
