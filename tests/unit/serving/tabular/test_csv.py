from __future__ import annotations

import pytest

from tropism.core.errors import InputError, InvalidInput, MalformedBody
from tropism.core.task import Feature, Task
from tropism.serving.tabular import Limits, decode
from tropism.serving.tabular.csv import header

HEAD = "amount,country,new,size"


def read(task: Task, limits: Limits, *lines: str, head: str = HEAD, end: str = "\n") -> list[dict[str, object]]:
    body = end.join([head, *lines]).encode()
    rows = decode(body, "text/csv", task, limits).select(head.lstrip("\ufeff").split(",")).to_pylist()
    return list(rows)


@pytest.mark.parametrize("cell", ["", " ", "NA", "n/a", "NaN", "null", "None", '""'])
def test_numbers_and_booleans_have_words_for_missing_values(cell: str, task: Task, limits: Limits) -> None:
    (row,) = read(task, limits, f"{cell},NL,{cell},1")
    assert row == {"amount": None, "country": "NL", "new": None, "size": 1.0}


def test_in_a_category_only_nothing_is_a_missing_value(task: Task, limits: Limits) -> None:
    found = read(task, limits, "1,NA,,1", "1,,,1", "1,null,,1")
    assert [row["country"] for row in found] == ["NA", None, "null"]


@pytest.mark.parametrize(
    ("cell", "value"),
    [("true", True), ("TRUE", True), (" True ", True), ("1", True), ("1.0", True), ("False", False), ("0", False)],
)
def test_booleans_are_written_in_many_ways(cell: str, value: bool, task: Task, limits: Limits) -> None:
    assert read(task, limits, f"1,NL,{cell},1")[0]["new"] is value


@pytest.mark.parametrize(
    ("cell", "value"), [("+1", 1.0), (".5", 0.5), ("5.", 5.0), (" 1e3 ", 1e3), ("-0", -0.0), ("00012", 12.0)]
)
def test_numbers_are_written_in_many_ways(cell: str, value: float, task: Task, limits: Limits) -> None:
    assert read(task, limits, f"{cell},NL,,1", "x".replace("x", "1,NL,,2"))[0]["amount"] == value


@pytest.mark.parametrize("cell", ["1_000", "0x10", "12%", "1e400", "-inf", "Infinity", "ten", "1 2"])
def test_what_is_no_number_is_named(cell: str, task: Task, limits: Limits) -> None:
    with pytest.raises(InvalidInput, match="feature 'amount' is not a number") as caught:
        read(task, limits, "1,NL,,1", "?".replace("?", "2,BE,,2"), f"{cell},NL,,1", "4,NL,,1")
    (fault,) = caught.value.faults
    assert (fault.field, fault.value) == ("row 3, amount", f'"{cell}"')
    assert "nothing where it is not known" in fault.fix


def test_what_is_no_boolean_is_named(task: Task, limits: Limits) -> None:
    with pytest.raises(InvalidInput, match="feature 'new' is not a boolean") as caught:
        read(task, limits, "1,NL,yes,1")
    assert caught.value.faults[0].field == "row 1, new"


def test_faults_are_told_row_by_row_and_counted_beyond_fifty(task: Task, limits: Limits) -> None:
    with pytest.raises(InvalidInput, match="and 119 more faults") as caught:
        read(task, limits, *["x,NL,maybe,1"] * 60)
    faults = caught.value.faults
    assert [fault.field for fault in faults[:3]] == ["row 1, amount", "row 1, new", "row 2, amount"]
    assert faults[-1].fix == "70 more faults are not listed"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_line_ends_and_delimiters_are_found_out(end: str, delimiter: str, task: Task, limits: Limits) -> None:
    text = end.join([HEAD, "1,NL,true,2", "", "3,BE,false,4", ""]).replace(",", delimiter)
    found = decode(text.encode(), "text/csv", task, limits)
    assert found.column("size").to_pylist() == [2.0, 4.0]
    assert found.column("country").to_pylist() == ["NL", "BE"]


def test_a_header_may_have_space_a_mark_and_the_index_of_pandas(task: Task, limits: Limits) -> None:
    text = "\ufeff,amount , country,new,size\n0,1,NL,true,2\n"
    assert decode(text.encode(), "text/csv", task, limits).column("amount").to_pylist() == [1.0]


def test_cells_may_hold_line_ends_and_quotation_marks(task: Task, limits: Limits) -> None:
    (row,) = read(task, limits, '1,"a\n""b"", c",true,2')
    assert row["country"] == 'a\n"b", c'


def test_an_empty_line_is_a_row_where_there_is_one_column(limits: Limits) -> None:
    task = Task(name="one", kind="binary", target="y", features=(Feature("a"),))
    assert decode(b"a\n1\n\n3\n", "text/csv", task, limits).column("a").to_pylist() == [1.0, None, 3.0]


@pytest.mark.parametrize(("row", "cells"), [("1,NL,true", 3), ("1,NL,true,2,5", 5), ("1,N,L,true,2", 5)])
def test_a_row_of_another_length_is_named(row: str, cells: int, task: Task, limits: Limits) -> None:
    with pytest.raises(MalformedBody, match=f"row 2 has {cells} cells, not 4") as caught:
        read(task, limits, "1,NL,true,2", row, "1,NL,true,2")
    assert caught.value.faults[0].field == "row 2"


def test_a_quotation_mark_that_is_not_closed_is_told(task: Task, limits: Limits) -> None:
    with pytest.raises(MalformedBody, match="a quotation mark is never closed, in row 1"):
        read(task, limits, '1,NL,true,"2', "3,BE,true,4")


@pytest.mark.parametrize("body", [HEAD.encode() + b"\n1,\xe9t\xe9,true,2\n", HEAD.encode("utf-16")])
def test_other_encodings_are_told(body: bytes, task: Task, limits: Limits) -> None:
    with pytest.raises(MalformedBody, match="the CSV is not UTF-8") as caught:
        decode(body, "text/csv", task, limits)
    assert caught.value.faults[0].fix == "save it as UTF-8"


def test_a_file_without_a_header_has_no_features(task: Task, limits: Limits) -> None:
    with pytest.raises(InputError) as caught:
        decode(b"1,NL,true,2\n3,BE,false,4\n", "text/csv", task, limits)
    assert "amount" in str(caught.value)


def test_the_delimiter_is_the_one_that_gives_known_names(task: Task) -> None:
    assert header(b"size;a,b,c,d,e\n1;2\n", task) == (["size", "a,b,c,d,e"], ";")


@pytest.mark.parametrize(
    ("cell", "at"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000),
        ("2023-11-14 22:13:20", 1_700_000_000),
        ("2023-11-15T00:13:20+02:00", 1_700_000_000),
        ("20231114T221320Z", 1_700_000_000),
        ("2023-11-14", 1_699_920_000),
        ("1700000000000000", 1_700_000_000),
        ("-1000000", -1),
    ],
)
def test_times_are_iso_8601_or_microseconds(cell: str, at: int, task: Task, limits: Limits) -> None:
    (row,) = read(task, limits, f"1,NL,true,2,{cell}", head=f"{HEAD},at")
    assert row["at"].timestamp() == at  # type: ignore[attr-defined]
    mixed = read(task, limits, f"1,NL,true,2,{cell}", "1,NL,,2,", "1,NL,,2,1970-01-01T00:00:01Z", head=f"{HEAD},at")
    assert mixed[0]["at"] == row["at"]
    assert mixed[1]["at"] is None


@pytest.mark.parametrize("cell", ["yesterday", "2023-13-01", "0000-01-01", "99999-01-01", "1.5", "9" * 18])
def test_what_is_no_time_is_named(cell: str, task: Task, limits: Limits) -> None:
    with pytest.raises(InvalidInput, match="'at' is not a time") as caught:
        read(task, limits, "1,NL,true,2,", f"1,NL,true,2,{cell}", head=f"{HEAD},at")
    assert caught.value.faults[0].field == "row 2, at"
