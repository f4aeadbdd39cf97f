from __future__ import annotations

from collections import Counter

import pytest

from tropism.core.errors import InvalidInput
from tropism.experiments.assignment import assign, position

UNITS = [f"user-{number}" for number in range(20_000)]


def test_shares_follow_the_weights() -> None:
    counts = Counter(assign("e", unit, {"a": 5, "b": 3, "c": 2}) for unit in UNITS)
    for variant, share in {"a": 0.5, "b": 0.3, "c": 0.2}.items():
        assert counts[variant] / len(UNITS) == pytest.approx(share, abs=0.015)


def test_the_same_everywhere() -> None:
    """Pinned: a change here would move every unit of a running experiment."""
    assert [assign("colour", unit, {"red": 1, "blue": 1}) for unit in ("u1", "u2", "u3", "u4", "u5", "u6")] == PINNED


PINNED = ["red", "red", "red", "red", "red", "red"]


def test_experiments_are_independent() -> None:
    both = Counter((assign("e", unit, {"a": 1, "b": 1}), assign("f", unit, {"a": 1, "b": 1})) for unit in UNITS)
    assert all(count / len(UNITS) == pytest.approx(0.25, abs=0.02) for count in both.values())
    assert position("a", "b:c") != position("a:b", "c")


def test_growing_the_last_variant_moves_units_only_into_it() -> None:
    before = {unit: assign("e", unit, {"a": 90, "b": 10}) for unit in UNITS}
    after = {unit: assign("e", unit, {"a": 80, "b": 20}) for unit in UNITS}
    assert {(before[unit], after[unit]) for unit in UNITS} == {("a", "a"), ("a", "b"), ("b", "b")}


def test_a_variant_without_weight_is_never_assigned() -> None:
    assert {assign("e", unit, {"x": 0, "a": 1, "b": 1, "y": 0}) for unit in UNITS[:500]} == {"a", "b"}


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"a": -1.0, "b": 2.0}, {"a": float("nan")}])
def test_weights_that_assign_nothing_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        assign("e", "u", weights)
