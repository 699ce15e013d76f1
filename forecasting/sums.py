"""Sums over targets: medians add up, spreads do not.

The P50 of a sum is the signed sum of its members' P50, so that every level of the tree tells one story. Its spread is
the sum's own: on validation the sum's error is divided by the members' added 80 % widths, and the empirical quantiles
of that ratio, by lead block, scale the added widths of the moment. So a windy afternoon is wider than a calm night, and
errors of neighbours that cancel do so as much as they were seen to. Where nothing was measured the members' own levels
are added (as if all erred together), which is too wide rather than too narrow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from forecasting.blend import MEDIAN, P10, P90
from forecasting.kind_model import PAYLOAD_VERSION, payload_id, read_payload
from forecasting.leads import BLOCKS
from forecasting.members import MIN_ERRORS, filled
from forecasting.settings import CLIPPED, Mode
from gridcore.forecast import QUANTILES
from gridcore.ports import RegisteredModel
from gridcore.target import Target

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SumsModel:
    """Measured spread of sums: by forecaster (`blend` or a baseline) and sum, shape (blocks, quantiles)."""

    mode: Mode
    """Intraday or day-ahead."""

    spread: Mapping[str, Mapping[str, Floats]]
    """Sum's error over the members' added 80 % widths, by level; 0 at the median."""

    model_id: str = ""
    """Mode and a hash of the payload."""


def sums_name(mode: Mode) -> str:
    """Name in the registry."""
    return f"sums/{mode.value}"


def fit_spread(
    total: Target,
    rows: Mapping[str, int],
    forecast_mw: Floats,
    truth_mw: Floats,
    block: npt.NDArray[np.int64],
    mode: Mode,
) -> Floats | None:
    """Spread of one sum by lead block, shape (blocks, quantiles); None where too little was seen.

    Args:
        total: The sum.
        rows: Row of each target.
        forecast_mw: Members' quantiles on validation, shape (issue times, targets, steps, quantiles) [MW].
        truth_mw: What came true, shape (issue times, targets, steps) [MW].
        block: Lead block, shape (issue times, steps).
        mode: Intraday or day-ahead.
    """
    median, width, _ = _added(total, rows, forecast_mw)
    index, sign = _members(total, rows)
    error = np.einsum("m,smk->sk", sign, truth_mw[:, index]) - median
    usable = np.isfinite(error) & (width > 1e-6)
    found: list[Floats | None] = []
    for number in range(len(BLOCKS[mode])):
        chosen = usable & (block == number)
        ratio = error[chosen] / width[chosen]
        found.append(_centred(np.quantile(ratio, QUANTILES)) if len(ratio) >= MIN_ERRORS else None)
    return None if all(item is None for item in found) else np.stack(filled(found))


def sum_quantiles(
    total: Target, rows: Mapping[str, int], forecast_mw: Floats, block: npt.NDArray[np.int64], spread: Floats | None
) -> Floats:
    """Quantiles of one sum, shape (issue times, steps, quantiles) [MW]; arguments as in `fit_spread`."""
    median, width, together = _added(total, rows, forecast_mw)
    around = together if spread is None else width[..., None] * spread[block]
    _, sign = _members(total, rows)
    low = 0.0 if (sign > 0).all() else -np.inf
    high = total.capacity_mw if total.kind in CLIPPED and (sign > 0).all() and total.capacity_mw > 0 else np.inf
    return np.sort(np.clip(median[..., None] + around, low, high), axis=-1)


def register_sums(model: SumsModel, fitted_as_of: datetime) -> tuple[SumsModel, RegisteredModel]:
    """The model with its id, and as the registry keeps it."""
    spread = {who: {name: rows.tolist() for name, rows in sums.items()} for who, sums in model.spread.items()}
    content = {"version": PAYLOAD_VERSION, "mode": model.mode.value, "spread": spread}
    payload = json.dumps(content, sort_keys=True).encode()
    model_id = payload_id(f"sums-{model.mode.value}", payload)
    return replace(model, model_id=model_id), RegisteredModel(sums_name(model.mode), fitted_as_of, model_id, payload)


def decode_sums(registered: RegisteredModel) -> SumsModel:
    """The model from its payload."""
    content = read_payload(registered)
    spread = {who: {name: np.array(rows) for name, rows in sums.items()} for who, sums in content["spread"].items()}
    return SumsModel(Mode(content["mode"]), spread, registered.model_id)


def _members(total: Target, rows: Mapping[str, int]) -> tuple[npt.NDArray[np.int64], Floats]:
    index = np.array([rows[name] for name, _ in total.members], dtype=np.int64)
    return index, np.array([sign for _, sign in total.members])


def _added(total: Target, rows: Mapping[str, int], forecast_mw: Floats) -> tuple[Floats, Floats, Floats]:
    """Signed sum of medians, sum of 80 % widths, and the deviations if all members erred together."""
    index, sign = _members(total, rows)
    own = forecast_mw[:, index]
    median = np.einsum("m,smk->sk", sign, own[..., MEDIAN])
    width = (own[..., P90] - own[..., P10]).sum(axis=1)
    deviation = own - own[..., MEDIAN, None]
    mirrored = np.where((sign > 0)[None, :, None, None], deviation, -deviation[..., ::-1])
    return median, width, mirrored.sum(axis=1)


def _centred(ratios: Floats) -> Floats:
    """Levels below the median at or below 0, above it at or above 0, the median itself 0."""
    side = np.sign(np.array(QUANTILES) - 0.5)
    return np.where(side < 0, np.minimum(ratios, 0.0), np.where(side > 0, np.maximum(ratios, 0.0), 0.0))


def sums_within(sums: Sequence[Target], names: Sequence[str]) -> tuple[Target, ...]:
    """The sums all of whose members are among the targets."""
    known = frozenset(names)
    return tuple(total for total in sums if all(name in known for name, _ in total.members))
