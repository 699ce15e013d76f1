"""A fuzzer for the decoders: `python -m tests.faults.fuzz_decoders --seconds 60`.

Each input goes through the decoder that its first byte names, readings through acceptance too. The laws: no exception
escapes, each message or row is a reading or a dead letter, the fast road of JSON gives what the rules give, and columns
are sound. With atheris installed (`--engine atheris`) inputs are grown by coverage; without it they are seeded
mutations of good messages. A broken law ends the program with the input left in a file, and so does a crash of a
library, whose exit code is then a signal's.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from types import FunctionType

import numpy as np
import pyarrow as pa

from gridcore.ports import Batch, DeadLetter
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA
from ingest.accept import check
from ingest.avro_wire import encode_avro, read_avro
from ingest.channels import channels_of
from ingest.decode import Undecodable, decode
from ingest.encode import encode_batch
from ingest.forms import OFFICIAL, OUTAGES, READINGS
from ingest.given_wire import decode_official, decode_outages
from ingest.json_columns import json_columns
from ingest.reasons import ALL_REASONS
from ingest.wire import decode_messages
from ingest.wire_parts import ARROW, AVRO, BATCH_READERS
from tests.ingest.builders import batch_of, reading, small_network
from tests.ingest.messages import GOOD_MESSAGE, ODD_INSTANTS, ODD_TOKENS

CHANNELS = channels_of(small_network(), timedelta(minutes=5))
READERS = {**BATCH_READERS, AVRO: read_avro}
ROWS = batch_of([reading(), reading(value=2.0, revision=1), reading(valid=5.0)]).readings
AT = ROWS.column("available_at")[0].as_py()
OFFICIAL_ROWS = pa.table(
    {"available_at": [AT], "issue_time": [AT], "valid_time": [AT], "asset": ["W"], "power_mw": [3.5]}
)
OUTAGE_ROWS = pa.table({"available_at": [AT], "asset": ["A-B"], "from": [AT], "until": [AT]})

OFFICIAL_MESSAGE = (
    b'{"v":1,"asset":"W","issue_time":"2025-01-01T06:00:00Z","valid_time":"2025-01-02T00:00:00Z","power_mw":7}'
)
OUTAGE_MESSAGE = b'{"v":1,"asset":"A-B","from":"2025-01-01T06:00:00Z","until":"2025-01-02T00:00:00+01:00"}'

TARGETS: list[tuple[str, str, bool, bytes]] = [
    ("reading", "", False, GOOD_MESSAGE),
    ("reading", "", True, GOOD_MESSAGE),
    ("reading", ARROW, False, encode_batch(ROWS, READINGS)),
    ("reading", ARROW, True, encode_batch(ROWS, READINGS, is_recorded=True)),
    ("reading", AVRO, True, encode_avro(ROWS, is_recorded=True)),
    ("official", "", False, OFFICIAL_MESSAGE),
    ("official", ARROW, True, encode_batch(OFFICIAL_ROWS, OFFICIAL, is_recorded=True)),
    ("outage", "", True, OUTAGE_MESSAGE),
    ("outage", ARROW, False, encode_batch(OUTAGE_ROWS, OUTAGES)),
]
"""What is decoded, its content type, whether a recorded arrival is honoured, and a good message to begin with."""

WORDS = [word.encode("utf-8", "surrogatepass") for word in (*ODD_TOKENS, *ODD_INSTANTS)] + [
    b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xef\xbb\xbf", b'"v":2', b',"x":{"y":[1]}',
]  # fmt: skip
"""Stretches that are put in."""


class Tally:
    """What the inputs became."""

    def __init__(self) -> None:
        self.inputs, self.messages, self.rows = 0, 0, 0
        self.reasons: Counter[str] = Counter()

    def feed(self, data: bytes) -> None:
        """Send an input to the decoder that its first byte names; raises what a law that is broken raises."""
        self.inputs += 1
        topic, kind, honours, _ = TARGETS[(data[0] if data else 0) % len(TARGETS)]
        # JSON comes in batches, an input's lines; the other forms may hold any byte.
        values = [data[1:]] if kind else data[1:].split(b"\n")
        rest = [kind] * len(values), np.full(len(values), 10**15), np.arange(len(values)), "f/0"
        if topic == "reading":
            self._readings(values, kind, honours)
        else:
            decode_given = decode_official if topic == "official" else decode_outages
            found = decode_given(values, *rest, honours_recorded_arrival=honours)
            found.rows.validate(full=True)
            self.rows += len(found.rows)
            self._told(values, kind, found.message_of.tolist(), found.undecodable)
        if kind == "" and topic == "reading":
            self._two_roads(values, honours)

    def _readings(self, values: list[bytes], kind: str, honours: bool) -> None:
        offsets = np.arange(len(values))
        rest = [kind] * len(values), np.full(len(values), 10**15), offsets, "f/0", CHANNELS
        found = decode_messages(values, *rest, honours_recorded_arrival=honours, readers=READERS)
        found.readings.validate(full=True)
        self._told(values, kind, found.message_of.tolist(), found.undecodable)
        empty = OFFICIAL_SCHEMA.empty_table(), OUTAGE_SCHEMA.empty_table()
        clean, letters = check(Batch("f/0", 0, len(values), found.readings, *empty, found.undecodable), CHANNELS)
        assert len(clean.readings) + len(letters) == len(found.readings) + len(found.undecodable)
        self.rows += len(clean.readings)
        self.reasons.update(letter.reason for letter in letters[len(found.undecodable) :])

    def _told(self, values: list[bytes], kind: str, places: list[int], letters: tuple[DeadLetter, ...]) -> None:
        """Each message is there; a batch without rows may be silent, a JSON message may not."""
        self.messages += len(values)
        self.reasons.update(letter.reason for letter in letters)
        assert all(letter.reason in ALL_REASONS and letter.detail.isprintable() for letter in letters)
        if kind == "":
            assert sorted(places + [letter.offset for letter in letters]) == list(range(len(values)))

    def _two_roads(self, values: list[bytes], honours: bool) -> None:
        """The fast road and the rules agree on which messages are readings, and on why the others are none."""
        _, faults = json_columns(values, honours_recorded_arrival=honours)
        told = [decode(value, honours_recorded_arrival=honours) for value in values]
        assert faults == {at: one for at, one in enumerate(told) if isinstance(one, Undecodable)}


def mutated(random_source: random.Random) -> bytes:
    """A good message with some stretches changed, or a few of them line by line."""
    target = random_source.randrange(len(TARGETS))
    seed = TARGETS[target][3]
    chosen = [bytearray(seed) for _ in range(random_source.choice((1, 1, 1, 3)))]
    for message in chosen:
        for _ in range(random_source.randrange(5)):
            at = random_source.randrange(len(message) + 1)
            match random_source.randrange(4):
                case 0:
                    message[at : at + 1] = bytes([random_source.randrange(256)])
                case 1:
                    message[at : at + random_source.randrange(12)] = random_source.choice(WORDS)
                case 2:
                    del message[at : at + random_source.randrange(20)]
                case _:
                    message[at:at] = message[: random_source.randrange(len(message) + 1)]
    return bytes([target]) + b"\n".join(bytes(message) for message in chosen)


def run_random(tally: Tally, seconds: float, seed: int, failed: Path) -> None:
    """Feed seeded mutations for so many seconds."""
    source, began = random.Random(seed), perf_counter()
    while perf_counter() - began < seconds:
        data = mutated(source)
        # Before it is fed: a library that crashes leaves no other trace.
        failed.write_bytes(data)
        tally.feed(data)
    failed.unlink()


def run_atheris(tally: Tally, seconds: float, seed: int, failed: Path, report: Callable[[], None]) -> None:
    """Feed what atheris grows by coverage; its loop never returns, so that the last input reports and ends."""
    import atheris  # type: ignore[import-not-found,import-untyped]

    began = perf_counter()

    def one(data: bytes) -> None:
        failed.write_bytes(data)
        tally.feed(data)
        if perf_counter() - began >= seconds:
            failed.unlink()
            report()
            sys.stdout.flush()
            os._exit(0)

    for module in [module for name, module in sys.modules.items() if name.startswith("ingest.")]:
        for function in vars(module).values():
            # Of our own decoders alone: every function there is takes minutes to prepare.
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                atheris.instrument_func(function)
    corpus = failed.with_name("fuzz-corpus")
    corpus.mkdir(exist_ok=True)
    for number, (_, _, _, message) in enumerate(TARGETS):
        (corpus / f"seed-{number}").write_bytes(bytes([number]) + message)
    atheris.Setup([sys.argv[0], f"-seed={seed}", "-max_len=4096", "-print_final_stats=0", str(corpus)], one)
    atheris.Fuzz()


def main() -> None:
    """Run one engine and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("random", "atheris"), default="random")
    parser.add_argument("--work", type=Path, default=Path("build/faults"))
    told = parser.parse_args()
    told.work.mkdir(parents=True, exist_ok=True)
    tally, failed = Tally(), told.work / "fuzz-input"

    def report() -> None:
        figures = {"engine": told.engine, "seed": told.seed, "inputs": tally.inputs, "messages": tally.messages}
        print(json.dumps({**figures, "readings": tally.rows, "dead_letters": dict(sorted(tally.reasons.items()))}))

    if told.engine == "atheris":
        run_atheris(tally, told.seconds, told.seed, failed, report)
    run_random(tally, told.seconds, told.seed, failed)
    report()


if __name__ == "__main__":
    main()
