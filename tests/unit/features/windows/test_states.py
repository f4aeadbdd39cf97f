from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.core.errors import DataInvalid
from tropism.features import agg
from tropism.features.types import Dtype, dtype
from tropism.features.windows.rounding import quotient, root
from tropism.features.windows.sketch import estimate, hashed, sketched
from tropism.features.windows.states import EXACT, STATES, State, stored
from tropism.features.windows.values import inner, outer

KINDS = ("number", "integer", "decimal(2)")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "number": st.floats(allow_nan=False),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "decimal(2)": st.integers(1 - 10**38, 10**38 - 1).map(lambda cents: outer(dtype("decimal(2)"), cents)),
}


def folded(function: str, kind: Dtype, rows: list[tuple[int, Any]]) -> State:
    state = STATES[function]()
    for position, value in rows:
        state.add(stored(type(state), kind, value), (position // 2, 0, position))
    return state


@given(st.data(), st.sampled_from(sorted(STATES)), st.sampled_from(KINDS), st.randoms())
def test_a_state_depends_on_its_events_alone(
    data: st.DataObject, function: str, name: str, chance: random.Random
) -> None:
    kind = dtype(name)
    given_values = data.draw(st.lists(VALUES[name], max_size=12))
    rows = list(enumerate(inner("x", kind, value) for value in given_values))
    whole = folded(function, kind, rows)
    chance.shuffle(rows)
    parts = [STATES[function]()]
    while rows:
        cut = chance.randrange(len(rows)) + 1
        parts.append(folded(function, kind, rows[:cut]))
        rows = rows[cut:]
    chance.shuffle(parts)
    total = STATES[function]()
    for part in parts:
        before = part.to_bytes()
        total.merge(type(part).from_bytes(before))
        assert part.to_bytes() == before
    assert total.to_bytes() == whole.to_bytes()


@pytest.mark.parametrize("count", [EXACT, EXACT + 1, 5_000])
def test_the_sketch_begins_by_the_number_of_values_and_not_by_their_order(count: int) -> None:
    chance, kind = random.Random(count), dtype("integer")
    numbers = list(range(count)) * 2
    states = []
    for parts in (1, 7, 300):
        chance.shuffle(numbers)
        total = STATES["distinct"]()
        for part in range(parts):
            total.merge(folded("distinct", kind, list(enumerate(numbers[part::parts]))))
        states.append(total)
    assert len({state.to_bytes() for state in states}) == 1
    found = states[0].value(agg.distinct("x", "1h"), kind)
    assert found == count if count <= EXACT else abs(found / count - 1) < 0.06


def test_estimates_are_as_close_as_promised() -> None:
    for count in (300, 3_000, 30_000, 300_000):
        registers = sketched(hashed(b"%d" % number) for number in range(count))
        assert abs(estimate(registers) / count - 1) < 3 * 0.0163


def test_infinite_numbers_and_sums_beyond_the_largest() -> None:
    kind = dtype("number")

    def value(function: str, *numbers: float) -> Any:
        aggregation = getattr(agg, function)("x", "1h")
        return folded(function, kind, list(enumerate(numbers))).value(aggregation, kind)

    assert value("sum", math.inf, 1.0) == value("mean", math.inf, 1.0) == math.inf
    assert value("sum", -math.inf, 1.0) == -math.inf
    assert value("sum", math.inf, -math.inf) is None
    assert value("std", math.inf, 1.0) is None
    assert value("sum", 1.7e308, 1.7e308) == math.inf
    assert value("mean", 1.7e308, 1.7e308) == 1.7e308
    assert value("sum", 1e16, 1.0, -1e16) == 1.0
    assert value("std", 1e200, -1e200) == pytest.approx(math.sqrt(2) * 1e200, rel=1e-15)
    assert value("std", 1e9 + 0.1, 1e9 + 0.1) == 0.0


@given(st.integers(0, 10**60), st.integers(1, 10**60))
def test_roots_are_rounded_once(numerator: int, denominator: int) -> None:
    found, exact = root(numerator, denominator), Fraction(numerator, denominator)
    below = (Fraction(found) + Fraction(math.nextafter(found, 0))) / 2
    above = (Fraction(found) + Fraction(math.nextafter(found, math.inf))) / 2
    assert below**2 <= exact <= above**2
    assert quotient(numerator, denominator) == float(exact)


def test_a_sum_beyond_its_type_is_refused() -> None:
    kind = dtype("integer")
    with pytest.raises(DataInvalid) as caught:
        folded("sum", kind, [(0, 2**62), (1, 2**62)]).value(agg.sum("x", "1h"), kind)
    assert caught.value.faults[0].field == "sum_x_1h"
