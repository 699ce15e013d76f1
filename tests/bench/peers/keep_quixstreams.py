"""The benchmark's job in quixstreams: JSON readings into SQLite, rows and offsets in one transaction.

Usage: keep_quixstreams.py BOOTSTRAP TOPIC ROWS DATABASE; prints the readings a second. Runs in its own environment.
"""

import sqlite3
import sys
from time import perf_counter

from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

bootstrap, topic, rows, database = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]


class Keep(BatchingSink):
    """Each batch of a checkpoint in one transaction, its next offset too."""

    def __init__(self) -> None:
        super().__init__()
        self.kept, self.began = 0, 0.0
        self.connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = NORMAL",
            "CREATE TABLE reading (channel, valid_time, revision, value, PRIMARY KEY (channel, valid_time, revision))",
            "CREATE TABLE place (source PRIMARY KEY, next_offset)",
        ):
            self.connection.execute(statement)

    def add(self, *args, **kwargs):
        self.began = self.began or perf_counter()
        super().add(*args, **kwargs)

    def write(self, batch: SinkBatch) -> None:
        self.connection.execute("BEGIN")
        items = [(item.value, item.offset) for item in batch]
        self.connection.executemany(
            "INSERT OR IGNORE INTO reading VALUES (?, ?, ?, ?)",
            [(r["channel"], r["valid_time"], r["revision"], r["value"]) for r, _ in items],
        )
        place = (f"{batch.topic}/{batch.partition}", items[-1][1] + 1)
        self.connection.execute("INSERT OR REPLACE INTO place VALUES (?, ?)", place)
        self.connection.execute("COMMIT")
        self.kept += len(items)
        if self.kept >= rows:
            print(self.kept / (perf_counter() - self.began), flush=True)


app = Application(
    bootstrap,
    consumer_group="quix",
    auto_offset_reset="earliest",
    commit_every=10_000,
    commit_interval=5.0,
    loglevel="ERROR",
)
frame = app.dataframe(app.topic(topic, value_deserializer="json"))
frame.sink(Keep())
app.run(count=rows, timeout=60.0)
