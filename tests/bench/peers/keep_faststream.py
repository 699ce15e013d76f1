"""The benchmark's job in faststream: JSON readings into SQLite, rows and offsets in one transaction.

Usage: keep_faststream.py BOOTSTRAP TOPIC ROWS DATABASE; prints the readings a second. Runs in its own environment.
"""

import asyncio
import sqlite3
import sys
from time import perf_counter

from faststream import FastStream
from faststream.confluent import KafkaBroker, KafkaMessage
from pydantic import BaseModel


class Reading(BaseModel):
    v: int
    site: str
    channel: str
    valid_time: str
    value: float | None
    unit: str
    revision: int


bootstrap, topic, rows, database = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
broker = KafkaBroker(bootstrap, logger=None)
app = FastStream(broker, logger=None)
connection = sqlite3.connect(database, isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = NORMAL")
connection.execute(
    "CREATE TABLE reading (channel, valid_time, revision, value, PRIMARY KEY (channel, valid_time, revision))"
)
connection.execute("CREATE TABLE place (source PRIMARY KEY, next_offset)")
kept, began = 0, 0.0


@broker.subscriber(topic, group_id="peer", auto_offset_reset="earliest", batch=True, max_records=10_000)
async def keep(readings: list[Reading], message: KafkaMessage) -> None:
    global kept, began
    began = began or perf_counter()
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT OR IGNORE INTO reading VALUES (?, ?, ?, ?)",
        [(r.channel, r.valid_time, r.revision, r.value) for r in readings],
    )
    places = {(m.topic(), m.partition()): m.offset() + 1 for m in message.raw_message}
    connection.executemany(
        "INSERT OR REPLACE INTO place VALUES (?, ?)", [(f"{t}/{p}", offset) for (t, p), offset in places.items()]
    )
    connection.execute("COMMIT")
    kept += len(readings)
    if kept >= rows:
        print(kept / (perf_counter() - began), flush=True)
        app.exit()


asyncio.run(app.run())
