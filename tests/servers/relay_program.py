"""A relay that is killed (kill -9) after the broker has its messages and before it marks them.

Arguments: directory of the store, bootstrap servers, prefix of the topics.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from gridcore.clock import SystemClock
from storage.embedded_tables import EmbeddedTables
from storage.kafka_outlet import KafkaOutlet
from storage.relay import Relay


class Killing(EmbeddedTables):
    """Tables whose first write kills the process."""

    def execute(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        """Die, with nothing flushed or closed."""
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    folder, brokers, prefix = sys.argv[1:]
    Relay(Killing(Path(folder)), KafkaOutlet({"bootstrap.servers": brokers}, prefix), SystemClock()).step()
