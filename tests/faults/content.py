"""Faults of what is sent: poison, repetition, disorder, corrections, drifting schemas, a change of clocks."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import numpy as np

from tests.faults.ledger import Outcome, identities
from tests.faults.rig import Rig
from tests.faults.sender import Reading, Sender, corrected, readings_of
from tests.faults.setting import BEGINS


def poison(rig: Rig) -> Outcome:
    """Bytes that are no JSON, wrong types, no value, 10 MB of text, NaN and unknown places among good readings.

    Above 16 MB the broker refuses a message itself, and the sender knows.
    """
    good = list(readings_of(rig.channels.channels, BEGINS, 40))
    one = json.loads(good[0].encode())
    payloads = [
        b"\x00\xff\xfe garbage",
        b"",
        b"[1, 2",
        b"null",
        b"{" * 100_000,
        json.dumps(one | {"value": "many"}).encode(),
        json.dumps({key: word for key, word in one.items() if key != "channel"}).encode(),
        json.dumps(one | {"valid_time": "2025-03-27T00:00:00"}).encode(),
        json.dumps(one | {"revision": -1}).encode(),
        json.dumps(one | {"channel": "x" * (10 << 20)}).encode()[:-2],
    ]
    sender = Sender(rig.cluster.client(), rig.ledger, **{"message.max.bytes": 16 << 20})
    half = len(good) // 2
    sender.send(good[:half])
    sender.send_poison(payloads)
    nowhere = Reading("site-nobody-knows", "channel-nobody-knows/power", "MW", BEGINS, 1.0)
    missing = [Reading(r.site, r.channel, r.unit, r.valid_time + timedelta(days=2), float("inf"), 0) for r in good[:3]]
    sender.send([nowhere, *missing, *good[half:]])
    facts = rig.drain()
    reasons = facts["dead_letters"]
    told = sum(reasons.values())
    is_flagged = any("not_a_number" in name.lower() for name in facts["flags"])
    holds = told == len(payloads) + 1 and is_flagged
    return rig.outcome("poison, wrong types, NaN, 10 MB, unknown site", 0.0, f"dead letters {reasons}", holds=holds)


def disorder(rig: Rig, other: Rig) -> Outcome:
    """Every reading up to three times, corrections, all shuffled, in two orders: the same current readings.

    Args:
        rig: Takes one order.
        other: Takes another, on topics and a store of its own.
    """
    draw = np.random.default_rng(3)
    first = list(readings_of(rig.channels.channels, BEGINS, 40))
    later = [corrected(r, n) for r in first for n in range(1, 1 + int(draw.integers(0, 3)))]
    rivals = [Reading(r.site, r.channel, r.unit, r.valid_time, round(r.value * 1.02, 6)) for r in first[::17]]
    whole = [*first, *first[::2], *first[::5], *later, *later[::3], *rivals]
    found = []
    for number, one in enumerate((rig, other)):
        order = np.random.default_rng(10 + number).permutation(len(whole))
        Sender(one.cluster.client(), one.ledger).send(whole[place] for place in order)
        one.drain()
        outcome = one.outcome("duplicates, disorder, corrections", 0.0)
        tables = [set(identities(one.folder / "export" / f"{name}.parquet")) for name in ("readings", "revisions")]
        found.append((outcome, tables))
    (outcome, tables), (second, others) = found
    is_same = tables == others and second.is_good
    rig.ledger.sent += other.ledger.sent
    rig.ledger.acknowledged += other.ledger.acknowledged
    return rig.outcome(outcome.name, 0.0, f"two orders, {len(tables[0])} current readings", holds=is_same)


def clock_change(rig: Rig) -> Outcome:
    """A gateway that writes its own zone's offset, over the nights in which its clocks are changed."""
    zone = ZoneInfo("Europe/Berlin")
    channels = rig.channels.channels
    sender = Sender(rig.cluster.client(), rig.ledger)
    for day in (datetime(2025, 3, 29, 22, tzinfo=BEGINS.tzinfo), datetime(2025, 10, 25, 21, tzinfo=BEGINS.tzinfo)):
        nights = readings_of(channels, day, 24)
        sender.send(
            Reading(r.site, r.channel, r.unit, r.valid_time.astimezone(zone), r.value, r.revision) for r in nights
        )
    facts = rig.drain()
    holds = facts["stored"] == 48 * len(channels)
    return rig.outcome("clock change", 0.0, f"{facts['stored']} readings of 2 x 24 periods", holds=holds)


def drift(rig: Rig) -> Outcome:
    """A gateway's schema gains a field (passes), then a version nobody knows (dead letters): the others go on."""
    readings = list(islice(readings_of(rig.channels.channels, BEGINS, 40), 600))
    sender = Sender(rig.cluster.client(), rig.ledger)
    sender.send(readings[:200])
    words = [json.loads(r.encode()) | {"firmware": "7.1", "nested": {"a": [1]}} for r in readings[200:400]]
    for reading, message in zip(readings[200:400], words, strict=True):
        sender.send_words(json.dumps(message).encode(), reading)
    unknown = [json.dumps(json.loads(r.encode()) | {"v": 2}).encode() for r in readings[:50]]
    sender.send_poison(unknown, key=readings[0].site.encode())
    sender.send(readings[400:])
    facts = rig.drain()
    holds = facts["stored"] == len(readings) and sum(facts["dead_letters"].values()) == len(unknown)
    return rig.outcome("schema drift", 0.0, f"dead letters {facts['dead_letters']}", holds=holds)
