"""What one economic dispatch hands to the next: its basis and its line rows.

The window has moved on by then, but most of a basis stays right, and what is wrong costs a few simplex steps. As
bytes, since the loop stores them: a resumed run starts from the very same ones.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from dispatch.compiled import Compiled
from dispatch.lazy import LazyAnswer
from dispatch.lines import NO_PAIRS, Topology
from dispatch.solver import BASIC, Basis

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]

HEADER = "<qqq"
"""Columns, rows without lines, line rows."""

KEPT_SHARE = 0.8
"""A line row goes when its flow is below this share of its limit."""


def warm_bytes(topology: Topology, solved: LazyAnswer) -> bytes:
    """Basis and line rows of a solve."""
    basis = solved.answer.basis
    if basis is None:
        return b""
    pairs = solved.pairs
    rows = len(basis.rows) - len(pairs)
    is_basic = basis.rows[rows:] == BASIC
    flow, limit = np.abs(solved.flows_mw[pairs[:, 0], pairs[:, 1]]), topology.limits_mw[pairs[:, 0]]
    keep = ~is_basic | (flow >= KEPT_SHARE * limit)
    header = struct.pack(HEADER, len(basis.columns), rows, int(keep.sum()))
    parts = [header, basis.columns.tobytes(), basis.rows[:rows].tobytes()]
    return b"".join([*parts, basis.rows[rows:][keep].tobytes(), pairs[keep].astype("<i4").tobytes()])


def start_from(problem: Compiled, topology: Topology, warm: bytes | None) -> tuple[Basis | None, Ints]:
    """Basis and line rows to start from; none where the bytes are of another problem, or of islands that have gone."""
    if not warm:
        return None, NO_PAIRS
    columns, rows, lines = struct.unpack_from(HEADER, warm)
    if (rows, columns) != problem.matrix.shape:
        return None, NO_PAIRS
    at = struct.calcsize(HEADER)
    column_codes = np.frombuffer(warm, np.uint8, columns, at)
    row_codes = np.frombuffer(warm, np.uint8, rows, at + columns)
    line_codes = np.frombuffer(warm, np.uint8, lines, at + columns + rows)
    pairs = np.frombuffer(warm, "<i4", 2 * lines, at + columns + rows + lines).reshape(-1, 2).astype(np.int64)
    if (pairs[:, 0] >= len(topology.limits_mw)).any():
        return None, NO_PAIRS
    return Basis(column_codes, np.concatenate([row_codes, line_codes])), pairs
