"""Rows mean the same as a table and as JSON: the same values, the same notes, the same refusals."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import InputError, InvalidInput, MissingFeature, TooLarge, TropismError, UnknownFeature
from tropism.core.identity import Identifiers, task_tag
from tropism.core.task import Feature, Task
from tropism.serving import Deployment
from tropism.serving.requests import Limits as RowLimits
from tropism.serving.requests import read_predict
from tropism.serving.tabular import MEDIA_TYPES, Limits, asks, decode, encode
from tropism.serving.tabular.bodies import codec

NOW = 1_700_000_000_000_000
Rows = list[dict[str, Any]]
Write = Callable[[Rows], bytes]


def columns(rows: Rows) -> pa.Table:
    """A table of rows, with whole numbers as such where a column has only those."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: pa.array(_alike([row.get(name) for row in rows])) for name in names})


def _alike(values: list[Any]) -> list[Any]:
    """Whole numbers among others as floats."""
    return [float(value) if type(value) is int else value for value in values] if float in map(type, values) else values


def csv(rows: Rows) -> bytes:
    sink = io.BytesIO()
    pacsv.write_csv(columns(rows), sink)
    return sink.getvalue()


def json_lines(rows: Rows) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def parquet(rows: Rows) -> bytes:
    sink = io.BytesIO()
    pq.write_table(columns(rows), sink, compression="zstd")
    return sink.getvalue()


def arrow(rows: Rows) -> bytes:
    sink = io.BytesIO()
    table = columns(rows)
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return sink.getvalue()


def arrow_file(rows: Rows) -> bytes:
    sink = io.BytesIO()
    table = columns(rows)
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


WRITERS: dict[str, Write] = {
    "text/csv": csv,
    "application/jsonl": json_lines,
    "application/vnd.apache.parquet": parquet,
    "application/vnd.apache.arrow.stream": arrow,
    "application/vnd.apache.arrow.file": arrow_file,
}
FORMATS = [pytest.param(name, id=name.rpartition("/")[2]) for name in WRITERS]


def as_json(rows: Rows, task: Task) -> Any:
    """The same rows by the path that takes JSON."""
    about = ("entity", "unit", "at", "prediction_id")
    instances = [
        {"features": {name: value for name, value in row.items() if name not in about}}
        | {name: row[name] for name in about if name in row}
        for row in rows
    ]
    limits = RowLimits(10_000, 60_000_000)
    return read_predict(json.dumps({"instances": instances}).encode(), Deployment(task), NOW, limits)[0]


def as_table(media_type: str, rows: Rows, task: Task, limits: Limits) -> Any:
    return asks(decode(WRITERS[media_type](rows), media_type, task, limits), task)


@pytest.mark.parametrize("media_type", FORMATS)
def test_every_format_gives_the_rows_that_json_gives(media_type: str, task: Task, limits: Limits, rows: Rows) -> None:
    assert as_table(media_type, rows, task, limits) == as_json(rows, task)


@pytest.mark.parametrize("media_type", FORMATS)
def test_defaults_stand_in_for_columns_that_were_not_sent(
    media_type: str, task: Task, limits: Limits, rows: Rows
) -> None:
    few = [{name: value for name, value in row.items() if name not in ("colour", "weight")} for row in rows]
    found = as_table(media_type, few, task, limits)
    expected = as_json(few, task)
    assert [one.row for one in found] == [one.row for one in expected]
    assert [set(one.notes) for one in found] == [set(one.notes) for one in expected]
    assert found[0].row["colour"] == "red"
    assert found[0].row["weight"] is None


def test_in_json_lines_a_default_stands_in_row_by_row(task: Task, limits: Limits, rows: Rows) -> None:
    rows[0].pop("colour")
    rows[2].pop("weight")
    assert as_table("application/jsonl", rows, task, limits) == as_json(rows, task)


@pytest.mark.parametrize("media_type", FORMATS)
def test_what_a_row_is_about_is_carried_through(media_type: str, task: Task, limits: Limits, rows: Rows) -> None:
    ids = Identifiers()
    for number, row in enumerate(rows):
        row["entity"], row["unit"] = f"card-{number}", "x" * 256
        row["at"] = NOW - number
        row["prediction_id"] = ids.new(NOW, task_tag(task.name))
    rows[1]["entity"] = rows[1]["at"] = rows[2]["prediction_id"] = None
    assert as_table(media_type, rows, task, limits) == as_json(rows, task)


@pytest.mark.parametrize("media_type", FORMATS)
@pytest.mark.parametrize(
    ("field", "value", "kind", "words"),
    [
        ("size", None, InvalidInput, "may not be missing"),
        ("amount", 1e301, InvalidInput, "1e300"),
        ("country", "x" * 1_025, InvalidInput, "1024 characters"),
        ("entity", "x" * 257, InvalidInput, "256 characters"),
        ("at", NOW + 61_000_000, InvalidInput, "in the future"),
        ("at", 253_402_300_800_000_000, InvalidInput, "not a time"),
        ("prediction_id", "42", InvalidInput, "not an id"),
        ("prediction_id", Identifiers().new(NOW, 1), InvalidInput, "another task"),
        ("prediction_id", Identifiers().new(NOW + 120_000_000, task_tag("payments")), InvalidInput, "in the future"),
    ],
)
def test_a_bad_cell_is_named_by_row_and_column(
    media_type: str,
    field: str,
    value: Any,
    kind: type[TropismError],
    words: str,
    task: Task,
    limits: Limits,
    rows: Rows,
) -> None:
    rows[2][field] = value
    with pytest.raises(kind) as caught:
        as_table(media_type, rows, task, limits)
    (fault,) = [one for one in caught.value.faults if one.field.startswith("row 3, ")]
    assert fault.field == f"row 3, {field}"
    assert words in f"{caught.value.message} {fault.fix}"
    with pytest.raises(InputError):
        as_json(rows, task)


@pytest.mark.parametrize("media_type", FORMATS)
def test_a_missing_feature_is_named(media_type: str, task: Task, limits: Limits, rows: Rows) -> None:
    for row in rows:
        del row["amount"]
    with pytest.raises(MissingFeature, match="feature 'amount' is missing"):
        as_table(media_type, rows, task, limits)


@pytest.mark.parametrize("media_type", FORMATS)
def test_an_unknown_column_is_named_with_the_one_that_was_meant(
    media_type: str, task: Task, limits: Limits, rows: Rows
) -> None:
    rows[0]["amuont"] = 1.0
    with pytest.raises(UnknownFeature) as caught:
        as_table(media_type, rows, task, limits)
    assert "amuont" in caught.value.message
    assert caught.value.faults[0].fix == "did you mean 'amount'?"


@pytest.mark.parametrize("media_type", FORMATS)
def test_an_id_that_is_used_twice_is_refused(media_type: str, task: Task, limits: Limits, rows: Rows) -> None:
    made = Identifiers().new(NOW, task_tag(task.name))
    for row in rows:
        row["prediction_id"] = made
    with pytest.raises(InvalidInput, match="a prediction_id is repeated, and 2 more faults") as caught:
        as_table(media_type, rows, task, limits)
    assert caught.value.faults[0].field == "row 2, prediction_id"


@pytest.mark.parametrize("media_type", FORMATS)
def test_more_rows_than_the_limit_are_too_large(media_type: str, task: Task, limits: Limits, rows: Rows) -> None:
    with pytest.raises(TropismError) as caught:
        as_table(media_type, rows, task, limits._replace(rows=3))
    assert caught.value.code == "too-large"
    assert "at most 3" in caught.value.faults[0].fix


@pytest.mark.parametrize("media_type", FORMATS)
def test_a_body_of_more_bytes_than_the_limit_is_too_large(
    media_type: str, task: Task, limits: Limits, rows: Rows
) -> None:
    with pytest.raises(TooLarge, match="the body is too large"):
        as_table(media_type, rows, task, limits._replace(size=100))


@pytest.mark.parametrize("media_type", FORMATS)
def test_no_rows_are_refused(media_type: str, task: Task, limits: Limits, rows: Rows) -> None:
    body = b"\n" if media_type == "application/jsonl" else encode(columns(rows).slice(0, 0), media_type)
    with pytest.raises(InvalidInput, match="no rows"):
        decode(body, media_type, task, limits)


@pytest.mark.parametrize("media_type", FORMATS[2:])
def test_bytes_that_are_cut_off_are_no_rows(media_type: str, task: Task, limits: Limits, rows: Rows) -> None:
    body = WRITERS[media_type](rows)
    for length in range(0, len(body) - 2, 7):
        with pytest.raises(InputError) as caught:
            decode(body[:length], media_type, task, limits)
        assert caught.value.faults, length


@pytest.mark.parametrize("media_type", FORMATS)
@pytest.mark.parametrize("body", [b"", b"\0\0\0\0", b"PAR1", b"PAR1PAR1PAR1", b"ARROW1\0\0", b"\xff\xfe", b"{", b'"'])
def test_rubbish_is_named_as_such(media_type: str, body: bytes, task: Task, limits: Limits) -> None:
    with pytest.raises(InputError) as caught:
        decode(body, media_type, task, limits)
    assert caught.value.faults[0].fix


@pytest.mark.parametrize("media_type", FORMATS)
def test_what_is_written_is_read_back(media_type: str, task: Task, limits: Limits, rows: Rows) -> None:
    rows[0]["entity"], rows[0]["at"] = "a", NOW
    table = decode(WRITERS[media_type](rows), media_type, task, limits)
    again = decode(encode(table, media_type), media_type, task, limits)
    assert again.to_pylist() == table.to_pylist()


def test_media_types_have_parameters_and_other_names() -> None:
    assert codec("text/csv; charset=utf-8; header=present") is MEDIA_TYPES["text/csv"]
    assert codec("application/x-ndjson") is MEDIA_TYPES["application/jsonl"]
    with pytest.raises(InputError) as caught:
        codec("application/xml")
    assert "text/csv" in caught.value.faults[0].fix


CELLS = {
    "amount": st.none() | st.floats(-1e300, 1e300) | st.integers(-(2**63), 2**63 - 1),
    "country": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    "new": st.none() | st.booleans(),
}


@given(st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_rows_are_read_as_json_reads_them(rows: Rows) -> None:
    task = Task(
        name="any",
        kind="binary",
        target="y",
        features=(Feature("amount"), Feature("country", "category"), Feature("new", "boolean")),
    )
    rows = [{**row, "amount": None if row["amount"] is None else float(row["amount"])} for row in rows]
    limits = Limits(1_000, 1 << 20, NOW)
    expected = as_json(rows, task)
    for media_type in WRITERS:
        if media_type != "text/csv":
            assert as_table(media_type, rows, task, limits) == expected, media_type
    # In CSV an empty cell is a missing value, and space around a value does not count.
    trimmed = [{**row, "country": (row["country"] or "").strip() or None} for row in rows]
    if all("\0" not in (row["country"] or "") for row in rows):
        found = [one.row for one in as_table("text/csv", trimmed, task, limits)]
        assert found == [one.row for one in as_json(trimmed, task)]
