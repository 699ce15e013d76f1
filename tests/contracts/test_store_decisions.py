"""What a store keeps of decisions and models: it comes back whole, once, and under its own name; for every adapter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridcore.errors import BrokenInvariantError
from gridcore.plan import Layer
from gridcore.ports import RegisteredModel
from tests.contracts.store_content import START, answers, decision, minutes, other_forecast, plan, rows_of
from tests.contracts.stores import NewStore


def test_a_decision_comes_back_bit_for_bit_and_in_order(new_store: NewStore) -> None:
    made = [decision(30, 0.1 + 0.2), decision(15)]
    with new_store() as store:
        for each in made:
            store.publish(each)
        known = store.known_at(minutes(30))
        first, second = made[1], made[0]
        tables = [vintage.to_table() for each in (first, second) for vintage in each.vintages]
        assert rows_of(known.forecasts(START)) == [row for table in tables for row in rows_of(table)]
        assert rows_of(known.forecasts(minutes(16))) == [row for table in tables[2:] for row in rows_of(table)]
        assert rows_of(known.plans("sced", START)) == [
            row for each in (first, second) for row in rows_of(each.plans[1].to_table())
        ]
        assert rows_of(known.setpoints(START)) == [*rows_of(first.setpoints), *rows_of(second.setpoints)]
        assert store.last_decision() == (minutes(30), b"state")


def test_overlapping_vintages_of_one_tick_come_sorted(new_store: NewStore) -> None:
    made = decision(0)
    overlapping = replace(made, vintages=(made.vintages[1], made.vintages[0], made.vintages[0]))
    with new_store() as store:
        store.publish(overlapping)
        table = store.known_at(START).forecasts(START)
        keys = list(zip(*(table[name].to_pylist() for name in ("valid_time", "target", "quantile")), strict=True))
        assert keys == sorted(keys)
        assert len(keys) == 24


def test_publishing_again_is_nothing_new_and_another_decision_is_refused(new_store: NewStore) -> None:
    with new_store() as store:
        store.publish(decision(0))
        before = answers(store.known_at(minutes(9)))
        store.publish(decision(0))
        for other in (other_forecast(decision(0)), decision(0, checkpoint=b"other"), decision(0, 6.0)):
            with pytest.raises(BrokenInvariantError, match="2020-04-18T08:00"):
                store.publish(other)
        assert answers(store.known_at(minutes(9))) == before


def test_plans_of_one_instant_stay_whole_and_need_names_of_their_own(new_store: NewStore) -> None:
    first = plan(0, Layer.SCUC, 5.0)
    quick = replace(first, purpose="quick")
    with new_store() as store:
        with pytest.raises(BrokenInvariantError, match="scuc-20200418T080000Z"):
            store.publish(replace(decision(0), plans=(first, first)))
        store.publish(replace(decision(0), plans=(quick, first)))
        found = store.known_at(START).plans("scuc", START)["plan_id"].to_pylist()
        assert found == [first.plan_id] * 2 + [quick.plan_id] * 2
        with pytest.raises(BrokenInvariantError, match="scuc-20200418T080000Z"):
            store.publish(replace(decision(15), plans=(first,)))
        assert store.last_decision() == (minutes(0), b"state")


def test_the_newest_fitted_model_is_known_from_its_instant_on(new_store: NewStore) -> None:
    old, new = (RegisteredModel("wind/intraday", minutes(at), f"m-{at}", bytes([at])) for at in (0, 60))
    with new_store() as store:
        for model in (new, old, old):
            store.register(model)
        found = [store.known_at(minutes(at)).model("wind/intraday") for at in (-1, 0, 59, 60, 0)]
        assert found == [None, old, old, new, old]
        assert store.known_at(minutes(60)).model("load/intraday") is None
        with pytest.raises(BrokenInvariantError, match="wind/intraday"):
            store.register(replace(old, payload=b"other"))
