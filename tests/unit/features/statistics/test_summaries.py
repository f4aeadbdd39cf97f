from __future__ import annotations

import datetime
import decimal
from functools import reduce
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.features.statistics import Summary, by_day, summarise
from tropism.features.types import dtype

DAY = 86_400_000_000


def summary(values: Any, kind: str = "number") -> Summary:
    column = values if isinstance(values, pa.Array) else pa.array(values, dtype(kind).arrow())
    return summarise(pa.table({"a": column}), {"a": dtype(kind)})["a"]


def stored(found: Summary) -> Summary:
    return msgspec.json.decode(msgspec.json.encode(found), type=Summary)


def test_numbers_are_counted_and_measured() -> None:
    found = stored(summary([1.0, 2.0, 4.0, None, float("nan"), float("inf"), float("-inf")]))
    assert (found.count, found.nulls, found.infinite, found.present) == (7, 2, 2, 3)
    assert (found.minimum, found.maximum) == (1.0, 4.0)
    assert found.mean == pytest.approx(7 / 3)
    assert found.std == pytest.approx(np.std([1, 2, 4], ddof=1))
    assert found.percentiles[0.5] == 2.0
    assert list(found.percentiles) == [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]


def test_whole_numbers_and_moments_stay_exact() -> None:
    found = stored(summary([2**60 + 1, 3, None], "integer"))
    assert (found.minimum, found.maximum, found.nulls) == (3, 2**60 + 1, 1)
    at = stored(summary([DAY + 1, None, 7], "time"))
    assert (at.minimum, at.maximum, at.mean, at.std) == (7, DAY + 1, None, None)
    assert at.percentiles[0.99] == DAY + 1
    money = summary([decimal.Decimal("1.10"), decimal.Decimal("2.30")], "decimal(2)")
    assert (money.kind, money.maximum) == ("decimal(2)", 2.3)
    assert money.mean == pytest.approx(1.7)


def test_text_booleans_and_vectors() -> None:
    found = stored(summary(["x"] * 3 + ["y"] + [None], "text"))
    assert (found.count, found.nulls, found.top, found.minimum) == (5, 1, {"x": 3, "y": 1}, None)
    assert summary([True, False, True, None], "boolean").top == {"true": 2, "false": 1}
    assert list(summary(["é" * 300], "text").top) == ["é" * 256]
    many = [f"v{place}" for place in range(1_000) for _ in range(1 + 50 * (place < 3))]
    assert summary(many, "text").top == {"v0": 51, "v1": 51, "v2": 51}
    vectors = summary([[1.0, 2.0], None], "vector(2)")
    assert (vectors.kind, vectors.count, vectors.nulls, vectors.percentiles) == ("vector(2)", 2, 1, {})


@pytest.mark.parametrize("kind", ["number", "integer", "decimal(2)", "text", "boolean", "time", "vector(3)"])
def test_nothing_at_all_has_statistics_too(kind: str) -> None:
    for values in ([], [None, None]):
        found = stored(summary(values, kind))
        assert (found.count, found.nulls, found.minimum, found.mean, found.std) == (len(values),) * 2 + (None,) * 3
        assert (found.percentiles, found.top) == ({}, {})
        assert found.merge(found).count == 2 * len(values)


def test_what_leaves_double_precision_is_left_out() -> None:
    found = summary([1e308, 1e308, -1e308])
    assert (stored(found).mean, found.std, found.maximum) == (None, None, 1e308)
    assert found.merge(summary([1.0])).mean is None


numbers = st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([float("nan"), float("inf"), 0.0]))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(numbers, max_size=30), min_size=1, max_size=5))
def test_merged_statistics_are_those_of_all_rows(parts: list[list[float | None]]) -> None:
    merged = reduce(Summary.merge, [stored(summary(part)) for part in parts])
    whole = summary([value for part in parts for value in part])
    for name in ("count", "nulls", "infinite", "minimum", "maximum", "percentiles"):
        assert getattr(merged, name) == getattr(whole, name)
    assert merged.mean == (whole.mean if whole.mean is None else pytest.approx(whole.mean, rel=1e-9, abs=1e-9))
    assert merged.std == (whole.std if whole.std is None else pytest.approx(whole.std, rel=1e-9, abs=1e-6))


def test_the_variance_of_large_numbers_close_together_survives_merging() -> None:
    values = 1e9 + np.random.default_rng(0).normal(size=100_000)
    merged = reduce(Summary.merge, [summary(part) for part in np.array_split(values, 100)])
    assert merged.std == pytest.approx(values.std(ddof=1), rel=1e-9)


def test_days_are_those_of_utc_and_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(1)
    at = rng.integers(-3 * DAY, 3 * DAY, 2_000)
    times = pa.chunked_array([pa.array([*at[:900].tolist(), None], pa.timestamp("us", "UTC")), at[900:].tolist()])
    values = rng.normal(size=2_001)
    table = pa.table({"a": values, "b": [str(int(10 * one)) for one in values]})
    kinds = {"a": dtype("number"), "b": dtype("text")}
    found = by_day(table, times, kinds)
    assert list(found) == [datetime.date(1969, 12, 29) + datetime.timedelta(days=day) for day in range(6)]
    kept = np.delete(values, 900)
    for place, summaries in enumerate(found.values()):
        mine = kept[at // DAY == place - 3]
        assert summaries["a"].count == summaries["b"].count == len(mine)
        assert summaries["a"].mean == pytest.approx(mine.mean())
    whole = summarise(table.filter(times.is_valid()), kinds)
    merged = reduce(Summary.merge, [one["b"] for one in found.values()])
    assert merged.top == whole["b"].top


def test_times_of_other_units_and_zones_are_of_the_same_day() -> None:
    table, kinds = pa.table({"a": [1.0]}), {"a": dtype("number")}
    for kind in (pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.timestamp("us", "Asia/Tokyo")):
        at = pa.chunked_array([pa.array([DAY - 1_000_000], pa.timestamp("us", "UTC")).cast(kind)])
        assert list(by_day(table, at, kinds)) == [datetime.date(1970, 1, 1)]


def test_other_columns_and_types_are_errors() -> None:
    table = pa.table({"a": ["x"]})
    for name, kind in (("gone", "text"), ("a", "number")):
        with pytest.raises(DataInvalid) as caught:
            summarise(table, {name: dtype(kind)})
        assert caught.value.faults[0].field == name
    for times in (pa.chunked_array([["x"]]), pa.chunked_array([], pa.timestamp("us", "UTC"))):
        with pytest.raises(DataInvalid, match="moment"):
            by_day(table, times, {})
    far = pa.chunked_array([pa.array([2**62], pa.timestamp("us", "UTC"))])
    with pytest.raises(DataInvalid, match="calendar"):
        by_day(table, far, {})
    with pytest.raises(InvalidInput, match="merge"):
        summary([1.0]).merge(summary([1], "integer"))
