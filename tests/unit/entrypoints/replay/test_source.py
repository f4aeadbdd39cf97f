from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.core.errors import DataInvalid
from tropism.entrypoints.replay.source import read_source

Save = Callable[..., Path]


def test_a_missing_file_names_the_one_that_was_meant(save: Save) -> None:
    path = save("a,b\n1,2\n", "prices.csv")
    with pytest.raises(DataInvalid, match="no file") as caught:
        read_source(path.with_name("price.csv"))
    assert "prices.csv" in caught.value.faults[0].fix


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("a,b\n", "a header only"),
        ("a,a\n1,2\n", "same name"),
        (b"PK\x03\x04rest", "zip or Excel"),
        (b"\x1f\x8brest", "gzip"),
        (b"PAR1 cut short", "not a readable Parquet"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_remedy(save: Save, content: str | bytes, problem: str) -> None:
    with pytest.raises(DataInvalid, match=problem) as caught:
        read_source(save(content))
    assert caught.value.faults[0].fix


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="is a folder"):
        read_source(tmp_path)


def test_a_first_line_that_could_be_a_row_is_no_header(save: Save) -> None:
    rows = "39, Private, 7\n50, Public, 3\n38, Private, 9\n"
    with pytest.raises(DataInvalid, match="looks like a row of data"):
        read_source(save(rows))


def test_a_header_is_one_although_a_name_occurs_below(save: Save) -> None:
    assert read_source(save("state,x\nstate,1\nother,2\n")).names == ["state", "x"]


def test_an_unknown_column_is_answered_with_the_nearest(save: Save) -> None:
    source = read_source(save("price,Class\n1,2\n"))
    with pytest.raises(DataInvalid, match="no column 'class'") as caught:
        source.require("--target", "class")
    assert caught.value.faults[0].field == "--target"
    assert "did you mean 'Class'?" in caught.value.faults[0].fix


def test_an_unknown_column_in_a_file_with_numbers_as_names_asks_for_the_header(save: Save) -> None:
    source = read_source(save("39,name\n50,x\n"))
    with pytest.raises(DataInvalid) as caught:
        source.require("--target", "income")
    assert "does the file have a header?" in caught.value.faults[0].fix


def test_parquet_rows_are_counted_from_one(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "a.parquet")
    source = read_source(tmp_path / "a.parquet")
    assert source.place(1) == "row 2"
