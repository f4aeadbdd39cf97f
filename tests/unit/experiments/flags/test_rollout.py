from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.experiments.flags.rollout import Rollout
from tropism.experiments.growthbook import hash_value

UNITS = [f"user-{number}" for number in range(20_000)]


@given(st.text(max_size=20), st.text(min_size=1, max_size=20))
def test_units_stand_where_growthbook_puts_them(seed: str, unit: str) -> None:
    place = hash_value(seed, unit, 2)
    assert place is not None
    for share in (0.25, 0.5, 0.75):
        assert (Rollout(seed, {"on": share, "off": 1 - share}).of(unit) == "on") is (place < share)


def test_each_variant_gets_its_share() -> None:
    """20,000 units: five standard errors of a share are below 0.018."""
    counts = Counter(map(Rollout("banner", {"a": 0.1, "b": 0.3, "c": 0.6}).of, UNITS))
    for name, share in {"a": 0.1, "b": 0.3, "c": 0.6}.items():
        assert counts[name] / len(UNITS) == pytest.approx(share, abs=0.018)


@given(st.floats(0, 1), st.floats(0, 1), st.text(min_size=1, max_size=20))
def test_a_unit_stays_where_it_is_on_a_ramp(one: float, other: float, unit: str) -> None:
    low, high = sorted((one, other))
    before, after = (Rollout("ramp", {"on": share, "off": 1 - share}).of(unit) for share in (low, high))
    assert not (before == "on" and after == "off")


def test_two_flags_split_apart_and_one_seed_splits_alike() -> None:
    """Of those who get `on` of one flag, as many as of all others get it of the next."""
    shares = {"on": 0.5, "off": 0.5}
    first, second = Rollout("first", shares), Rollout("second", shares)
    chosen = [unit for unit in UNITS if first.of(unit) == "on"]
    assert sum(second.of(unit) == "on" for unit in chosen) / len(chosen) == pytest.approx(0.5, abs=0.025)
    assert all(Rollout("first", shares).of(unit) == first.of(unit) for unit in UNITS[:100])


def test_a_share_of_nothing_is_never_served_and_one_of_all_always() -> None:
    assert {Rollout("x", {"on": 0.0, "off": 1.0}).of(unit) for unit in UNITS} == {"off"}
    assert {Rollout("x", {"on": 1.0, "off": 0.0}).of(unit) for unit in UNITS} == {"on"}
