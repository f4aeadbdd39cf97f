from __future__ import annotations

import decimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.features.statistics import SkewReport, compare
from tropism.features.types import dtype

NAN = float("nan")


def table(values: Any, kind: str = "number", ids: Any = None) -> pa.Table:
    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, dtype(kind).arrow())
    return pa.table({"prediction_id": ids or [f"p{place}" for place in range(len(column))], "a": column})


def mismatches(served: Any, replayed: Any, kind: str = "number", **more: Any) -> int:
    return compare(table(served, kind), table(replayed, kind), ["a"], **more).mismatches


@pytest.mark.parametrize(
    ("kind", "values", "changed"),
    [
        ("number", [1.0, None, NAN, 0.1], [1.0, NAN, None, 0.1 + 2**-56]),
        ("integer", [2**53, None, 3], [2**53 + 1, None, 3]),
        ("decimal(2)", [decimal.Decimal("1.10"), None], [decimal.Decimal("1.11"), None]),
        ("text", ["a", None, ""], ["b", None, ""]),
        ("boolean", [True, None, False], [False, None, False]),
        ("time", [1, None], [2, None]),
        ("vector(2)", [[1.0, NAN], None, [2.0, None]], [[1.5, NAN], None, [2.0, NAN]]),
        ("number", [0.0], [-0.0]),
        ("number", [None], [0.0]),
        ("text", [""], [None]),
        ("vector(2)", [None], [[0.0, 0.0]]),
    ],
)
def test_one_difference_is_one_mismatch(kind: str, values: Any, changed: Any) -> None:
    assert mismatches(values, values, kind) == 0
    assert mismatches(values, changed, kind) == 1
    assert mismatches(changed, values, kind) == 1


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(*[st.one_of(st.none(), st.floats(width=64), st.sampled_from([0.0, 1.0, NAN]))] * 2)))
def test_numbers_are_equal_to_the_last_bit(pairs: list[tuple[float | None, float | None]]) -> None:
    def bits(value: float | None) -> bytes | None:
        return None if value is None or value != value else np.float64(value).tobytes()

    served, replayed = [one for one, _ in pairs], [one for _, one in pairs]
    assert mismatches(served, replayed) == sum(bits(one) != bits(other) for one, other in pairs)


def test_the_report_names_predictions_and_values() -> None:
    served = table([1.0] * 9 + [0.1]).append_column("b", pa.array([0] * 10))
    replayed = table([2.0] * 9 + [0.1]).append_column("b", pa.array([0] * 10))
    report = compare(served, replayed, ["a", "b"])
    assert (report.rows, report.mismatches) == (10, 9)
    assert [(one.name, one.mismatches) for one in report.features] == [("a", 9), ("b", 0)]
    examples = report.features[0].examples
    assert [one.id for one in examples] == ["p0", "p1", "p2", "p3", "p4"]
    assert (examples[0].served, examples[0].replayed) == ("1.0", "2.0")
    assert msgspec.json.decode(msgspec.json.encode(report), type=SkewReport) == report


def test_a_tolerance_is_absolute_and_never_hides_a_null() -> None:
    inf = float("inf")
    assert mismatches([1.0, 0.0, inf], [1.05, -0.0, inf], tolerance=0.1) == 0
    assert mismatches([1.0, None, inf, inf], [1.2, 0.0, 1.0, -inf], tolerance=0.1) == 4
    assert mismatches([1], [2], "integer", tolerance=5.0) == 1
    for bad in (-1.0, NAN):
        with pytest.raises(InvalidInput):
            mismatches([1.0], [1.0], tolerance=bad)


def test_types_are_brought_together_where_nothing_is_lost() -> None:
    assert compare(table([1, 2], "integer"), table([1.0, 2.0]), ["a"]).mismatches == 0
    assert compare(table(pa.nulls(2)), table([None, 2.0]), ["a"]).mismatches == 1
    assert compare(table([None, 2.0]), table(pa.nulls(2)), ["a"]).mismatches == 1
    lists = pa.array([[0.1, 0.2], None], pa.list_(pa.float64()))
    assert compare(table(lists), table([[0.1, 0.2], None], "vector(2)"), ["a"]).mismatches == 0
    coded = pa.array(["x", "y", None]).dictionary_encode()
    assert compare(table(coded), table(["x", "z", None], "text"), ["a"]).mismatches == 1
    assert compare(table(["x", "z", None], "text"), table(coded), ["a"]).mismatches == 1
    for served in (table(["x"], "text"), table([2**53 + 1], "integer")):
        with pytest.raises(DataInvalid, match="different types"):
            compare(served, table([1.0]), ["a"])


def test_parts_of_tables_compare_as_whole_ones() -> None:
    vectors = pa.array([[float(place), 1.0] for place in range(10)], pa.list_(pa.float32(), 2))
    whole = table(vectors)
    chunked = pa.concat_tables([whole.slice(0, 3), whole.slice(3)])
    assert compare(chunked.slice(2, 6), whole.slice(2, 6), ["a"]).mismatches == 0
    assert compare(whole.slice(0, 0), whole.slice(0, 0), ["a"]).mismatches == 0


def test_other_predictions_are_an_error_and_no_mismatch() -> None:
    for ids in (["p1", "p0"], ["p0"], ["p0", None]):
        with pytest.raises(DataInvalid) as caught:
            compare(table([1.0, 1.0]), table([1.0] * len(ids), ids=ids), ["a"])
        assert caught.value.faults[0].field == "prediction_id"
    with pytest.raises(DataInvalid, match="no one such column"):
        compare(table([1.0]), table([1.0]), ["gone"])
    with pytest.raises(DataInvalid, match="do not compare"):
        compare(table(pa.array([[1.0]])), table(pa.array([[1.0]])), ["a"])
