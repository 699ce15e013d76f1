"""The fuzzer's laws hold on a few hundred of its inputs; `python -m tests.faults.fuzz_decoders` tries more."""

from __future__ import annotations

import random

from tests.faults.fuzz_decoders import TARGETS, Tally, mutated


def test_good_messages_of_every_form_become_rows() -> None:
    for number, (_, _, _, message) in enumerate(TARGETS):
        tally = Tally()
        tally.feed(bytes([number]) + message)
        assert tally.rows > 0
        assert not tally.reasons


def test_mutations_break_no_law() -> None:
    tally, source = Tally(), random.Random(4)
    for _ in range(300):
        tally.feed(mutated(source))
    assert tally.messages >= tally.inputs == 300
    assert tally.rows > 0
    assert len(tally.reasons) > 3
