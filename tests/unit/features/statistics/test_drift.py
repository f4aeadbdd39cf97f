"""The oracle counts the rows themselves, in ten bins of equal count or one for each common category."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import InvalidInput
from tropism.features.statistics import Summary, divergence, drift, summarise
from tropism.features.types import dtype


def summary(values: Any, kind: str = "number", pieces: int = 1) -> Summary:
    column = pa.array(values, dtype(kind).arrow())
    size = -(-max(1, len(column)) // pieces)
    parts = [column.slice(start, size) for start in range(0, max(1, len(column)), size)]
    return reduce(Summary.merge, [summarise(pa.table({"a": part}), {"a": dtype(kind)})["a"] for part in parts])


def exact(old: Any, new: Any, kind: str = "number") -> tuple[float, float]:
    arrays = [pa.array(one, dtype(kind).arrow()) for one in (old, new)]
    places = categories(*arrays) if kind in ("text", "boolean") else numbers(*arrays)
    size = int(max(one.max() for one in places)) + 1
    counts = [np.bincount(one, minlength=size).astype(float) for one in places]
    return divergence.population_stability(*counts), divergence.jensen_shannon(*counts)


def numbers(old: pa.Array, new: pa.Array) -> list[Any]:
    values = [one.cast(pa.float64(), safe=False).fill_null(float("nan")).to_numpy() for one in (old, new)]
    known = values[0][~np.isnan(values[0])]
    distinct = np.unique(known)
    if len(distinct) <= 10:
        edges = np.sort(np.concatenate([distinct, np.nextafter(distinct, np.inf)]))
    else:
        edges = np.unique(np.quantile(known, np.arange(1, 10) / 10, method="inverted_cdf"))
    return [np.where(np.isnan(one), len(edges) + 1, np.searchsorted(edges, one, side="right")) for one in values]


def categories(old: pa.Array, new: pa.Array) -> list[Any]:
    """The twenty commonest that the reference has ten times or more; then rare ones, unseen ones, missing ones. One
    that it has once counts as unseen."""
    texts = [one.cast(pa.string()).to_pylist() for one in (old, new)]
    seen = Counter(text for text in texts[0] if text is not None)
    common = {text: at for at, (text, times) in enumerate(seen.most_common(20)) if times >= 10}
    rare, unseen, missing = len(common), len(common) + 1, len(common) + 2

    def place(text: str | None) -> int:
        return missing if text is None else common.get(text, unseen if seen[text] == 0 else rare)

    first = [unseen if text is not None and seen[text] == 1 else place(text) for text in texts[0]]
    return [np.array(first), np.array([place(text) for text in texts[1]])]


@pytest.mark.parametrize("pieces", [1, 30])
@pytest.mark.parametrize("shift", [0.0, 0.1, 0.25, 1.0])
@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_numbers_drift_as_their_rows_do(shift: float, offset: float, pieces: int) -> None:
    rng = np.random.default_rng(2)
    old, new = rng.normal(size=60_000) + offset, rng.normal(shift, 1, 60_000) + offset
    old[rng.random(len(old)) < 0.1] = np.nan
    found = drift(summary(old, pieces=pieces), summary(new, pieces=pieces))
    psi, distance = exact(old, new)
    assert found.psi == pytest.approx(psi, rel=0.1, abs=0.01)
    assert found.jensen_shannon == pytest.approx(distance, abs=0.01)
    assert found.missing == pytest.approx((0.1, 0.0), abs=0.01)
    assert found.missing_change == -found.missing[0]


@pytest.mark.parametrize("kind", ["number", "integer", "time"])
def test_few_values_drift_exactly(kind: str) -> None:
    rng = np.random.default_rng(5)
    old, new = rng.integers(0, 6, 400).tolist(), [*rng.integers(2, 9, 400).tolist(), None, None]
    found = drift(summary(old, kind), summary(new, kind))
    assert (found.psi, found.jensen_shannon) == pytest.approx(exact(old, new))


def test_categories_drift_exactly_while_they_are_few() -> None:
    rng = np.random.default_rng(6)
    old = [*(f"v{one}" for one in rng.geometric(0.1, 3_000)), *[None] * 30]
    new = [*(f"v{one}" for one in rng.geometric(0.2, 3_000)), *(f"w{one}" for one in range(200))]
    for pieces in (1, 10):
        found = drift(summary(old, "text", pieces), summary(new, "text", pieces))
        assert (found.psi, found.jensen_shannon) == pytest.approx(exact(old, new, "text"), rel=0.02)
    flags = [True] * 90 + [False] * 10, [True] * 50 + [False] * 50
    found = drift(summary(flags[0], "boolean"), summary(flags[1], "boolean"))
    assert (found.psi, found.jensen_shannon) == pytest.approx(exact(*flags, "boolean"))


def test_many_categories_that_stay_do_not_drift() -> None:
    rng = np.random.default_rng(7)
    old, new = ([f"v{one}" for one in rng.zipf(1.3, 50_000) % 5_000] for _ in range(2))
    found = drift(summary(old, "text", 5), summary(new, "text", 5))
    assert found.psi < 0.01
    assert found.jensen_shannon < 0.05


def test_infinite_values_and_vectors_count() -> None:
    assert drift(summary([1.0] * 50), summary([1.0] * 25 + [float("inf")] * 25)).jensen_shannon > 0.3
    old, new = [[1.0]] * 50, [[1.0]] * 25 + [None] * 25
    assert drift(summary(old, "vector(1)"), summary(new, "vector(1)")).jensen_shannon > 0.3
    assert drift(summary(old, "vector(1)"), summary(old, "vector(1)")).psi == 0


def test_without_rows_there_is_no_drift() -> None:
    for kind in ("number", "text", "vector(2)"):
        found = drift(summary([], kind), summary([None], kind))
        assert (found.psi, found.jensen_shannon, found.missing) == (0, 0, (0, 1))
    with pytest.raises(InvalidInput, match="compare"):
        drift(summary([1.0]), summary([1], "integer"))
