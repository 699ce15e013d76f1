"""A model and its text say the same; a damaged text is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from forecasting.kind_model import decode, describe, register
from gridcore.errors import StoreDamagedError
from gridcore.ports import RegisteredModel
from tests.forecasting.world import FIT_AT, world


def registered() -> RegisteredModel:
    return next(model for model in world().models if model.name == "wind/day_ahead")


def test_a_decoded_model_registers_as_the_same_text() -> None:
    again = register(decode(registered()), FIT_AT)[1]
    assert again == registered()


def test_the_id_is_kind_mode_and_the_hash_of_the_payload() -> None:
    model = registered()
    assert model.model_id == f"wind-day_ahead-{hashlib.sha256(model.payload).hexdigest()[:12]}"
    assert json.loads(model.payload)["kind"] == "wind"


def test_a_decoded_intraday_model_knows_how_errors_grow() -> None:
    models = {m.name: decode(m) for m in world().models if not m.name.startswith("sums")}
    assert 0 < models["wind/intraday"].lead_power < 1
    assert models["wind/day_ahead"].lead_power == models["pv/intraday"].lead_power == 0


def test_another_version_is_refused() -> None:
    content = json.loads(registered().payload) | {"version": 99}
    with pytest.raises(StoreDamagedError, match="got 99; wanted 2"):
        decode(replace(registered(), payload=json.dumps(content).encode()))


def test_a_truncated_payload_is_refused_with_the_models_name() -> None:
    with pytest.raises(StoreDamagedError, match=registered().model_id):
        decode(replace(registered(), payload=registered().payload[:1000]))


def test_other_features_are_refused() -> None:
    content = json.loads(registered().payload)
    content["features"] = content["features"][1:]
    with pytest.raises(StoreDamagedError, match="other features"):
        decode(replace(registered(), payload=json.dumps(content).encode()))


def test_a_model_of_sums_has_no_members_to_describe() -> None:
    sums = next(model for model in world().models if model.name == "sums/intraday")
    assert describe(sums) == []
