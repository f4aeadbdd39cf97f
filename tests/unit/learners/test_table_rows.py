from __future__ import annotations

import numpy as np
import pytest

from tropism.learners.table_rows import TableRows

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
LARGEST = float(np.finfo(np.float64).max)
BREAKS = {
    "even": np.linspace(-3.0, 3.0, 300),
    "one": np.array([2.0]),
    "crowded": np.sort(np.concatenate([1.0 + np.arange(200) * 1e-9, [1e6]])),
    "the largest number of all": np.array([0.0, 1.0, 2.0, LARGEST]),
    "both ends of all numbers": np.array([-LARGEST, 0.0, LARGEST]),
    "next to each other": np.array([1.0, np.nextafter(1.0, 2.0), np.nextafter(1.0, 3.0) + 2e-16]),
    "subnormal": np.array([-5e-324, 0.0, 5e-324, 1e-35]),
    "many scales": np.unique(np.geomspace(1e-30, 1e30, 255)),
}


def near(breaks: Floats) -> Floats:
    chance = np.random.default_rng(0)
    spread = chance.uniform(breaks[0] / 2, breaks[-1] / 2, 200) * 2
    ends = [-np.inf, np.inf, -LARGEST, LARGEST, 0.0, -0.0, np.nan]
    with np.errstate(over="ignore"):
        sides = [np.nextafter(breaks, -np.inf), breaks, np.nextafter(breaks, np.inf)]
    return np.concatenate([*sides, spread, chance.normal(size=200), np.array(ends)])


@pytest.mark.parametrize("name", BREAKS)
def test_each_value_lies_after_the_breaks_below_it(name: str) -> None:
    breaks = BREAKS[name]
    values = near(breaks)
    expected = (values[:, None] > breaks).sum(axis=1)
    expected[np.isnan(values)] = len(breaks) + 1
    np.testing.assert_array_equal(TableRows([breaks]).find(values[None])[0], expected)


def test_tables_follow_each_other() -> None:
    values = np.random.default_rng(1).normal(size=(len(BREAKS), 100))
    values[:, ::7] = np.nan
    found = TableRows(list(BREAKS.values())).find(values)
    first = 0
    for index, breaks in enumerate(BREAKS.values()):
        np.testing.assert_array_equal(found[index] - first, TableRows([breaks]).find(values[index][None])[0])
        first += len(breaks) + 2
    assert found.max() < first


def test_no_rows_are_found_for_no_values() -> None:
    assert TableRows([np.array([1.0])]).find(np.zeros((1, 0))).shape == (1, 0)
