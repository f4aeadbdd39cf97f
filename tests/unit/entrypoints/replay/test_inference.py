from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.core.errors import DataInvalid
from tropism.entrypoints.replay.inference import MOST_CATEGORIES, infer, read_features
from tropism.entrypoints.replay.source import Source, read_source

Save = Callable[..., Path]


def csv(save: Save, *cells: str) -> Source:
    return read_source(save("\n".join(["x,name", *(f'"{cell}",v' for cell in cells)]) + "\n"))


def parquet(folder: Path, values: pa.Array) -> Source:
    pq.write_table(pa.table({"x": values}), folder / "a.parquet")
    return read_source(folder / "a.parquet")


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (("1", "2.5", ""), "number", [1.0, 2.5, None]),
        (("$1,200", "3", "NA"), "number", [1200.0, 3.0, None]),
        (("yes", "No", "?"), "boolean", [True, False, None]),
        (("a", " b ", ""), "category", ["a", "b", None]),
        (("00123", "00456", "99999"), "category", ["00123", "00456", "99999"]),
        (("1970-01-02", "1970-01-03", ""), "number", [1.0, 2.0, None]),
        (("", "NA", "?"), "number", [None, None, None]),
        (("A1", "B2", "7"), "category", ["A1", "B2", "7"]),
    ],
)
def test_text_columns(save: Save, cells: tuple[str, ...], dtype: str, values: list[Any]) -> None:
    column = infer(csv(save, *cells), "x")
    assert column.dtype == dtype
    assert column.values.to_pylist() == values


@pytest.mark.parametrize(
    ("values", "dtype", "read"),
    [
        (pa.array([1, None], pa.int8()), "number", [1.0, None]),
        (pa.array([1.5, float("nan")]), "number", [1.5, None]),
        (pa.array([Decimal("1.5")]), "number", [1.5]),
        (pa.array([True, None]), "boolean", [True, None]),
        (pa.array(["21", "7"]), "number", [21.0, 7.0]),
        (pa.array(["b", None, "b"]).dictionary_encode(), "category", ["b", None, "b"]),
        (pa.array([3, 4]).dictionary_encode(), "number", [3.0, 4.0]),
        (pa.array([date(1970, 1, 3)]), "number", [2.0]),
        (pa.array(["x"], pa.large_string()), "category", ["x"]),
    ],
)
def test_typed_columns(tmp_path: Path, values: pa.Array, dtype: str, read: list[Any]) -> None:
    column = infer(parquet(tmp_path, values), "x")
    assert column.dtype == dtype
    assert column.values.to_pylist() == read


def test_a_nested_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid) as caught:
        infer(parquet(tmp_path, pa.array([[1], [2]])), "x")
    assert caught.value.faults[0].field == "x"


def test_the_first_cell_that_is_not_like_the_others_is_named(save: Save) -> None:
    with pytest.raises(DataInvalid, match="line 5: x is not a number, as 3 of the 4 values") as caught:
        infer(csv(save, "1", "", "2", "abc", "3"), "x")
    assert caught.value.faults[0].value == "'abc' in line 5"


def test_a_few_numbers_among_texts_are_categories_and_it_is_said(save: Save) -> None:
    column = infer(csv(save, "a", "b", "c", "7"), "x")
    assert column.dtype == "category"
    assert "1 of its 4" in column.notes[0]


def test_infinite_values_are_missing_and_counted(tmp_path: Path) -> None:
    column = infer(parquet(tmp_path, pa.array([1.0, float("inf")])), "x")
    assert column.values.to_pylist() == [1.0, None]
    assert "1 infinite" in column.notes[0]


def test_names_and_ids_are_refused_together_with_the_remedy_to_type(save: Save) -> None:
    lines = "".join(f"id{i},name {i},{i},{i % 2}\n" for i in range(MOST_CATEGORIES + 1))
    source = read_source(save("id,full name,the size,ok\n" + lines))
    with pytest.raises(DataInvalid, match="more than 1,000") as caught:
        read_features(source, source.names, named=False)
    assert [fault.field for fault in caught.value.faults] == ["id", "full name"]
    assert "--features 'the size,ok'" in caught.value.faults[0].fix


def test_a_column_without_values_is_left_out_unless_it_was_named(save: Save) -> None:
    source = csv(save, "", "")
    columns, notes = read_features(source, ["x", "name"], named=False)
    assert list(columns) == ["name"]
    assert "left out" in notes[0]
    with pytest.raises(DataInvalid, match="'x' has no values"):
        read_features(source, ["x", "name"], named=True)
