"""What a decision published comes back bit for bit, whatever its shape, and its hash says all of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gridcore.forecast import Vintage
from gridcore.ports import Decision
from storage.documents import content_sha256, decode_table, decode_vintage, documents_of, encode_table, encode_vintage
from tests.contracts.store_content import START, decision, other_forecast, rows_of, setpoints

shapes = hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=4)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(power_mw=shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=numbers)))
def test_a_vintage_comes_back_bit_for_bit(power_mw: npt.NDArray[np.float64]) -> None:
    targets, periods, levels = power_mw.shape
    made = Vintage(
        issue_time=START + timedelta(microseconds=1),
        valid_time=np.datetime64("2020-04-18T08:15", "us") + np.arange(periods) * np.timedelta64(15, "m"),
        targets=tuple(f"风电场-{number}" for number in range(targets)),
        quantiles=tuple((np.arange(levels) + 1) / 7),
        power_mw=np.sort(power_mw, axis=2),
        model_id=tuple(f"m-{number}" for number in range(targets)),
        data_cutoff=START,
        fallback_reason=("",) * targets,
    )
    back = decode_vintage(encode_vintage(made))
    assert back.power_mw.tobytes() == made.power_mw.tobytes()
    assert rows_of(back.to_table()) == rows_of(made.to_table())
    assert (back.quantiles, back.issue_time, back.targets) == (made.quantiles, made.issue_time, made.targets)


def test_the_cut_into_chunks_leaves_no_trace_in_the_bytes() -> None:
    first, second = setpoints(0, 1.0), setpoints(15, 2.0)
    chunked = pa.concat_tables([first, second])
    whole = pa.Table.from_pylist(chunked.to_pylist(), schema=chunked.schema)
    assert encode_table(chunked) == encode_table(whole)
    assert encode_table(chunked.slice(1)) == encode_table(second)
    assert decode_table(encode_table(chunked)).equals(whole)


def test_the_hash_of_a_decision_tells_every_difference_and_no_other() -> None:
    def sha256(made: Decision) -> str:
        return content_sha256(made.issue_time, documents_of(made), made.checkpoint)

    first = decision(0)
    others = [other_forecast(first), decision(0, 6.0), decision(15), replace(first, checkpoint=b"")]
    others += [replace(first, plans=first.plans[:1]), replace(first, setpoints=setpoints(0, 5.5))]
    assert sha256(first) == sha256(decision(0))
    assert len({sha256(made) for made in (first, *others)}) == 1 + len(others)
