from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tropism.core.errors import DataInvalid
from tropism.entrypoints.replay.delimited import line_of, read_delimited

Save = Callable[..., Path]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_reads_every_kind_of_line_end(save: Save, end: str) -> None:
    table, _, _ = read_delimited(save(end.join(["a,b", "1,x", "", "2,y", ""])))
    assert table.to_pydict() == {"a": ["1", "2"], "b": ["x", "y"]}


@pytest.mark.parametrize(
    ("encoding", "noted"), [("utf-8", False), ("utf-8-sig", False), ("utf-16", False), ("latin-1", True)]
)
def test_reads_every_encoding_and_says_when_it_fell_back(save: Save, encoding: str, noted: bool) -> None:
    table, _, notes = read_delimited(save("name,b\nJosé,1\n".encode(encoding)))
    assert table.to_pydict() == {"name": ["José"], "b": ["1"]}
    assert any("latin-1" in note for note in notes) == noted


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_finds_the_delimiter_and_says_so(save: Save, delimiter: str) -> None:
    table, _, notes = read_delimited(save(f"a{delimiter}b, or c\n1{delimiter}2\n"))
    assert table.column_names == ["a", "b, or c"]
    assert any("delimiter" in note for note in notes)


def test_an_index_without_a_name_is_left_out(save: Save) -> None:
    table, _, notes = read_delimited(save(",a,b\n0,1,2\n"))
    assert table.column_names == ["a", "b"]
    assert "left out" in notes[0]


@pytest.mark.parametrize(("row", "cells"), [("1,2,3", 3), ("1", 1)])
def test_a_row_of_the_wrong_length_is_named(save: Save, row: str, cells: int) -> None:
    with pytest.raises(DataInvalid, match=rf"line 5: the row has {cells} cells, not 2") as caught:
        read_delimited(save(f'a,b\n"1\n1",2\n3,4\n{row}\n5,6\n'))
    assert caught.value.faults[0].field == "line 5"


def test_a_quotation_mark_that_is_never_closed_is_named(save: Save) -> None:
    with pytest.raises(DataInvalid, match="after line 3: a quotation mark is never closed"):
        read_delimited(save('a,b\n1,2\n3,4\n5,"6\n7,8\n9,10\n'))


def test_a_quotation_mark_inside_a_cell_is_no_fault(save: Save) -> None:
    table, _, _ = read_delimited(save('a,b\n1,5" pipe\n2,x\n'))
    assert table["b"].to_pylist() == ['5" pipe', "x"]


def test_lines_are_those_of_the_file_although_cells_span_lines_and_lines_are_empty(save: Save) -> None:
    path = save('a,b\n\n1,"x\ny"\n\n2,z\n')
    _, dialect, _ = read_delimited(path)
    assert [line_of(path, dialect, row) for row in (0, 1, 2)] == [3, 6, None]


def test_a_file_of_numbers_has_no_header(save: Save) -> None:
    with pytest.raises(DataInvalid, match="no header") as caught:
        read_delimited(save("1,2.5\n3,4\n"))
    assert "1, 2.5" in caught.value.faults[0].value


def test_binary_content_is_refused(save: Save) -> None:
    with pytest.raises(DataInvalid, match="not a text file"):
        read_delimited(save(b"a,b\n\x00\x01,2\n"))


def test_one_column_only_is_refused(save: Save) -> None:
    with pytest.raises(DataInvalid, match="only one column"):
        read_delimited(save("a\n1\n2\n"))


def test_a_column_without_a_name_is_refused(save: Save) -> None:
    with pytest.raises(DataInvalid, match="no name") as caught:
        read_delimited(save("a,,c\n1,2,3\n"))
    assert "column 2" in caught.value.faults[0].value
