"""A request and a column of a training set give equal bits."""

from __future__ import annotations

import datetime
import decimal
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.features import Decimal
from tropism.features.transformations import (
    Binning,
    Cross,
    FittedPipeline,
    Interaction,
    Log,
    MinMax,
    OneHot,
    Pipeline,
    Polynomial,
    TargetEncoding,
    TimeParts,
    TrainingRows,
    ZScore,
)
from tropism.features.transformations.values import FIRST, LAST
from tropism.features.types import dtype

INPUTS: dict[str, Any] = {
    "x": float,
    "n": int,
    "flag": bool,
    "money": Decimal(2),
    "city": str,
    "at": datetime.datetime,
}
PIPELINE = Pipeline(
    INPUTS,
    (
        Log("x", offset=1.5),
        Log("money", offset=0.0),
        ZScore("x"),
        ZScore("log_x"),
        MinMax("money"),
        MinMax("n", clip=True),
        Binning("x", by="width", bins=4),
        Binning("n", by="quantile", bins=3),
        Binning("money", by="edges", edges=(-1, 0, 1.5, 2)),
        Polynomial(("x", "n", "flag"), degree=3),
        Interaction(("money", "x", "zscore_x")),
        Cross(("city", "n", "flag")),
        OneHot("city", most=2),
        OneHot("bin_n", name="bin"),
        OneHot("flag", categories=("true", "false")),
        TargetEncoding("city_x_n_x_flag", smoothing=1.0),
        TargetEncoding("city", folds=2),
        TimeParts("at", zone="America/New_York", holidays=(datetime.date(2026, 7, 3),)),
    ),
)
DAY = 86_400_000_000
MARCH = 1_772_841_600_000_000  # the 7th of 2026; clocks are changed on the 8th


def moment(time: int) -> datetime.datetime:
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=time)


ROWS = st.fixed_dictionaries(
    {
        "x": st.none() | st.floats() | st.sampled_from([0.0, -0.0, -1.5, 1e-300, 1e300, 0.1]),
        "n": st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3),
        "flag": st.none() | st.booleans(),
        "money": st.none() | st.decimals(-(10**30), 10**30, places=2) | st.decimals(-2, 2, places=2),
        "city": st.none() | st.sampled_from(["Bern", "a|b", "a\\", "", "Ōsaka"]) | st.text(max_size=2),
        "at": st.none() | st.integers(FIRST, LAST).map(moment) | st.integers(MARCH, MARCH + 3 * DAY).map(moment),
    }
)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    columns = {name: dtype(kind).arrow() for name, kind in PIPELINE.inputs.items()}
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in columns.items()})


@pytest.fixture(scope="module")
def fitted() -> FittedPipeline:
    random = np.random.default_rng(3)
    rows = [
        {
            "x": float(random.normal(5, 3)),
            "n": int(random.integers(-3, 4)),
            "flag": bool(random.integers(2)),
            "money": decimal.Decimal(int(random.integers(-200, 200))).scaleb(-2),
            "city": ["Bern", "a|b", "Ōsaka", None][int(random.integers(4))],
            "at": None,
        }
        for _ in range(200)
    ]
    return PIPELINE.fit(table(rows), random.normal(size=200))


def bits(values: dict[str, Any]) -> dict[str, Any]:
    return {name: struct.pack("d", one) if isinstance(one, float) else (type(one), one) for name, one in values.items()}


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(ROWS, min_size=1, max_size=12))
def test_a_row_has_the_bits_of_its_column(fitted: FittedPipeline, rows: list[dict[str, Any]]) -> None:
    columns = fitted.apply(table(rows))
    assert {name: dtype(kind).arrow() for name, kind in fitted.outputs.items()} == dict(
        zip(columns.column_names, columns.schema.types, strict=True)
    )
    for row, expected in zip(rows, columns.to_pylist(), strict=True):
        found = fitted.apply_row(row)
        assert bits(found) == bits(expected)
        assert list(found) == list(fitted.outputs)
        assert not any(isinstance(value, float) and not np.isfinite(value) for value in found.values())


@settings(max_examples=50, deadline=None)
@given(row=ROWS)
def test_what_was_stored_gives_the_same_bits(fitted: FittedPipeline, row: dict[str, Any]) -> None:
    stored = FittedPipeline.from_json(fitted.to_json())
    assert stored == fitted
    assert stored.fingerprint == fitted.fingerprint
    assert bits(stored.apply_row(row)) == bits(fitted.apply_row(row))


def test_a_row_without_values_has_none(fitted: FittedPipeline) -> None:
    found = fitted.apply_row(dict.fromkeys(INPUTS))
    hot = {name for name in found if name.startswith(("city=", "city_other", "bin=", "bin_other", "flag=", "flag_o"))}
    assert {found[name] for name in hot} == {0}
    assert {value for name, value in found.items() if name not in hot} == {None}


def test_columns_without_any_value_have_none(fitted: FittedPipeline) -> None:
    nothing = pa.table({name: pa.nulls(2) for name in INPUTS})
    assert fitted.apply(nothing).to_pylist() == [fitted.apply_row(dict.fromkeys(INPUTS))] * 2


def test_what_no_float_can_hold_counts_as_missing() -> None:
    step = ZScore("x").fit(TrainingRows(pa.table({"x": [1.0, 2.0]})))
    for value in (10**400, decimal.Decimal("sNaN"), decimal.Decimal("NaN"), float("nan"), float("-inf")):
        assert step.apply_row({"x": value}) == {"zscore_x": None}


def test_a_column_that_is_there_twice_is_refused_by_name(fitted: FittedPipeline) -> None:
    row = table([dict.fromkeys(INPUTS)])
    with pytest.raises(DataInvalid) as caught:
        fitted.apply(row.append_column("city", row["city"]))
    assert caught.value.faults[0].field == "city"


def test_no_rows_give_no_rows(fitted: FittedPipeline) -> None:
    found = fitted.apply(table([]))
    assert len(found) == 0
    assert found.column_names == list(fitted.outputs)


def test_columns_may_be_chunked_dictionaries_and_narrower(fitted: FittedPipeline) -> None:
    row = {"x": 2.0, "n": 2, "flag": True, "money": decimal.Decimal(2), "city": "Bern", "at": 0}
    one = pa.table(
        {
            "x": pa.array([2], pa.int8()),
            "n": pa.array([2], pa.uint16()),
            "flag": pa.array([True]),
            "money": pa.array([2], pa.int32()),
            "city": pa.array(["Bern"]).dictionary_encode(),
            "at": pa.array([0], pa.timestamp("ns", "Asia/Tokyo")),
        }
    )
    found = fitted.apply(pa.concat_tables([one, one]))
    assert found.to_pylist() == [fitted.apply_row(row)] * 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"x": "2.0"}, "x"),
        ({"x": decimal.Decimal(2)}, "x"),
        ({"n": 2.0}, "n"),
        ({"n": True}, "n"),
        ({"n": 2**70}, "n"),
        ({"flag": 1}, "flag"),
        ({"city": 8}, "city"),
        ({"at": "2026-01-01"}, "at"),
        ({"at": 10**18}, "at"),
        ({"at": datetime.datetime(2026, 1, 1)}, "at"),  # noqa: DTZ001 - that it has no zone is the point
    ],
)
def test_a_value_of_another_type_is_refused_by_name(
    fitted: FittedPipeline, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        fitted.apply_row({**dict.fromkeys(INPUTS), **changes})
    assert caught.value.faults[0].field == field
    with pytest.raises(InvalidInput) as caught:
        fitted.apply_row({name: None for name in INPUTS if name != field})
    assert (caught.value.faults[0].field, caught.value.faults[0].value) == (field, "missing")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x", pa.array(["2.0"])),
        ("n", pa.array([2.0])),
        ("flag", pa.array([1])),
        ("money", pa.array([2.0])),
        ("city", pa.array([8])),
        ("at", pa.array(["2026-01-01"])),
        ("at", pa.array([10**18], pa.timestamp("us", "UTC"))),
    ],
)
def test_a_column_of_another_type_is_refused_by_name(fitted: FittedPipeline, name: str, values: pa.Array) -> None:
    row = table([dict.fromkeys(INPUTS)])
    with pytest.raises(DataInvalid) as caught:
        fitted.apply(row.drop_columns([name]).append_column(name, values))
    assert caught.value.faults[0].field == name
    with pytest.raises(DataInvalid) as caught:
        fitted.apply(row.drop_columns([name]))
    assert (caught.value.faults[0].field, caught.value.faults[0].value) == (name, "missing")
