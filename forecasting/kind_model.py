"""A kind's fitted model: boosters, baselines' errors, Prophets, blend; and its portable text form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from forecasting.blend import BlockBlend
from forecasting.boosting import from_text, to_text
from forecasting.features import NAMES
from forecasting.leads import BLOCKS
from forecasting.settings import Mode
from gridcore.errors import StoreDamagedError
from gridcore.forecast import QUANTILES
from gridcore.ports import RegisteredModel
from gridcore.target import Kind

PAYLOAD_VERSION = 2
"""Version of the payload's layout; another one is refused."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class KindModel:
    """All that a forecast of one kind and mode needs besides what is known at its issue time."""

    kind: Kind
    """Kind of its targets."""

    mode: Mode
    """Intraday or day-ahead."""

    model_id: str
    """Kind, mode and a hash of the payload; empty before it is registered."""

    boosters: tuple[lgb.Booster, ...]
    """LightGBM's quantile boosters; empty where no row could be trained on."""

    levels: tuple[float, ...]
    """Their levels."""

    errors: Mapping[str, Floats]
    """Error quantiles of the point members, each shape (blocks, quantiles) [share of size]."""

    prophets: Mapping[str, str]
    """JSON text of each load target's Prophet; empty where it is left out."""

    blends: tuple[BlockBlend, ...]
    """Weights and calibration by lead block."""

    scale_mw: Mapping[str, float]
    """Size of each target at the fit [MW]."""

    history_days: float
    """History that it was fitted on [days]."""

    notes: tuple[str, ...] = ()
    """Members that were left out, and why."""

    lead_power: float = 0.0
    """Power of the lead time that the boosters' residuals are scaled by (`forecasting.boosting.growth`)."""


def register(model: KindModel, fitted_as_of: datetime) -> tuple[KindModel, RegisteredModel]:
    """The model with its id, and as the registry keeps it."""
    payload = _encode(model)
    name = model_name(model.kind, model.mode)
    model_id = payload_id(f"{model.kind.value}-{model.mode.value}", payload)
    return replace(model, model_id=model_id), RegisteredModel(name, fitted_as_of, model_id, payload)


def model_name(kind: Kind, mode: Mode) -> str:
    """Name in the registry, e.g. `wind/intraday`."""
    return f"{kind.value}/{mode.value}"


def payload_id(stem: str, payload: bytes) -> str:
    """Stem and the first twelve digits of the payload's SHA-256."""
    return f"{stem}-{hashlib.sha256(payload).hexdigest()[:12]}"


def decode(registered: RegisteredModel) -> KindModel:
    """The model from its payload; raises `StoreDamagedError` where it does not fit this version."""
    content = read_payload(registered)
    if content["features"] != list(NAMES) or content["quantiles"] != list(QUANTILES):
        raise StoreDamagedError("a model of other features", asset=registered.model_id, wanted="a fit by this version")
    return KindModel(
        Kind(content["kind"]),
        Mode(content["mode"]),
        registered.model_id,
        tuple(from_text(content["boosters"])),
        tuple(content["levels"]),
        {name: np.array(rows) for name, rows in content["errors"].items()},
        content["prophets"],
        tuple(BlockBlend(b["weights"], b["pinball"], tuple(b["shift"]), b["rows"]) for b in content["blends"]),
        content["scale_mw"],
        content["history_days"],
        tuple(content["notes"]),
        content["lead_power"],
    )


def read_payload(registered: RegisteredModel) -> dict[str, Any]:
    """The payload's JSON object."""
    try:
        content = json.loads(registered.payload)
        version = content["version"]
    except (ValueError, KeyError, TypeError) as cause:
        raise StoreDamagedError("a model's payload", asset=registered.model_id, wanted="JSON of a fit") from cause
    if version != PAYLOAD_VERSION:
        raise StoreDamagedError("a model's version", asset=registered.model_id, got=version, wanted=PAYLOAD_VERSION)
    return dict(content)


def describe(registered: RegisteredModel) -> list[dict[str, object]]:
    """For the report: one row for each lead block and member, with its weight and pinball loss on validation.

    Rows have kind, mode, lead_block, member, weight, pinball [share of capacity], n, history_days and notes; the member
    `blend` stands for the whole. A model of sums has none.
    """
    if registered.name.startswith("sums/"):
        return []
    model = decode(registered)
    rows: list[dict[str, object]] = []
    for name, blend in zip(BLOCKS[model.mode], model.blends, strict=True):
        rows.extend(
            {
                "kind": model.kind.value,
                "mode": model.mode.value,
                "lead_block": name,
                "member": member,
                "weight": blend.weights.get(member, 1.0 if member == "blend" else 0.0),
                "pinball": loss,
                "n": blend.rows,
                "history_days": model.history_days,
                "notes": list(model.notes),
            }
            for member, loss in blend.pinball.items()
        )
    return rows


def _encode(model: KindModel) -> bytes:
    content = {
        "version": PAYLOAD_VERSION,
        "kind": model.kind.value,
        "mode": model.mode.value,
        "features": list(NAMES),
        "quantiles": list(QUANTILES),
        "boosters": to_text(model.boosters),
        "levels": list(model.levels),
        "errors": {name: rows.tolist() for name, rows in model.errors.items()},
        "prophets": dict(model.prophets),
        "blends": [
            {"weights": dict(b.weights), "pinball": dict(b.pinball), "shift": list(b.shift), "rows": b.rows}
            for b in model.blends
        ],
        "scale_mw": dict(model.scale_mw),
        "history_days": model.history_days,
        "notes": list(model.notes),
        "lead_power": model.lead_power,
    }
    return json.dumps(content, sort_keys=True).encode()
