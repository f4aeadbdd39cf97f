from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow import csv, parquet

from tropism.core.errors import DataInvalid, InvalidInput, MissingExtra, NotReady
from tropism.features import CsvSource, DeltaSource, LakeSource, ParquetSource, SqlSource, StreamSource
from tropism.features.offline import read_source
from tropism.features.sources import AnySource

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MOMENT = pa.timestamp("us", "UTC")
ROWS = pa.table(
    {
        "id": ["a", "b", None],
        "limit": pa.array([2**62 + 1, None, 3], pa.int64()),
        "share": [0.5, 1.5, None],
        "unread": [1, 2, 3],
        "ts": pa.array([NOON, NOON, None], pa.timestamp("ms", "Europe/Paris")),
        "seen": pa.array([NOON.replace(tzinfo=None)] * 3, pa.timestamp("us")),
    }
)
WANTED = ["id", "limit", "share"]


def parquet_source(root: Path) -> AnySource:
    parquet.write_table(ROWS, root / "rows.parquet")
    return ParquetSource("rows.parquet", timestamp="ts", created="seen")


def csv_source(root: Path) -> AnySource:
    csv.write_csv(ROWS.set_column(4, "ts", ROWS["ts"].cast(pa.timestamp("us", "UTC"))), root / "rows.csv")
    return CsvSource("rows.csv", timestamp="ts", created="seen")


def delta_source(root: Path) -> AnySource:
    write_deltalake(str(root / "delta"), ROWS.set_column(4, "ts", ROWS["ts"].cast(pa.timestamp("us", "UTC"))))
    return DeltaSource("delta", timestamp="ts", created="seen")


def sql_source(root: Path) -> AnySource:
    with sqlite3.connect(root / "rows.db") as connection:
        connection.execute("CREATE TABLE profiles (id TEXT, [limit] INTEGER, share REAL, unread, ts TEXT, seen TEXT)")
        rows = [
            (one["id"], one["limit"], one["share"], 1, one["ts"] and one["ts"].isoformat(), str(one["seen"]))
            for one in ROWS.to_pylist()
        ]
        connection.executemany("INSERT INTO profiles VALUES (?, ?, ?, ?, ?, ?)", rows)
    connection.close()
    return SqlSource(url="sqlite:///rows.db", query="profiles", timestamp="ts", created="seen")


def lake_source(root: Path) -> AnySource:
    return LakeSource(table="profiles", timestamp="ts", created="seen")


def lake(table: str, columns: Sequence[str]) -> pa.Table:
    assert table == "profiles"
    return ROWS.select([name for name in ROWS.column_names if name in columns])


SOURCES: list[Callable[[Path], AnySource]] = [parquet_source, csv_source, delta_source, sql_source, lake_source]


@pytest.mark.parametrize("make", SOURCES)
def test_every_source_gives_the_same_columns(make: Callable[[Path], AnySource], tmp_path: Path) -> None:
    found = read_source(make(tmp_path), WANTED, tmp_path, lake)
    assert found.column_names == ["id", "limit", "share", "ts", "seen"]
    assert found.select(WANTED).equals(ROWS.select(WANTED))
    assert found["ts"].type == found["seen"].type == MOMENT
    assert found["ts"].to_pylist() == [NOON, NOON, None]
    assert found["seen"].to_pylist() == [NOON] * 3


@pytest.mark.parametrize("make", SOURCES)
def test_a_column_that_is_missing_is_named_with_those_that_there_are(
    make: Callable[[Path], AnySource], tmp_path: Path
) -> None:
    source = make(tmp_path)
    with pytest.raises(DataInvalid) as caught:
        read_source(source, ["id", "salary"], tmp_path, lambda table, columns: ROWS)
    (fault,) = caught.value.faults
    assert (fault.field, fault.value) == ("salary", "missing")
    assert "limit, share" in fault.fix


def write(path: Path, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"id": [path.stem], "ts": ["2026-01-31T12:00:00Z"], **columns}), path)


def test_files_are_read_in_the_order_of_their_paths(tmp_path: Path) -> None:
    root = tmp_path / "a[1]b"  # what a pattern would take for its own
    for name in ("b.parquet", "a.parquet", "c/d.parquet", "_old/x.parquet", ".e.parquet", "c/notes.txt"):
        write(root / "data" / name)
    for path, wanted in [
        ("data", ["a", "b", "d"]),
        ("data/*.parquet", ["a", "b"]),
        ("data/**/*.parquet", ["x", "a", "b", "d"]),
        (str(root / "data" / "c" / "d.parquet"), ["d"]),
    ]:
        found = read_source(ParquetSource(path, timestamp="ts"), ["id"], root)
        assert found["id"].to_pylist() == wanted


def test_files_may_differ_in_width_and_in_what_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", x=pa.array([1], pa.int32()), y=["text"])
    write(tmp_path / "2.parquet", x=pa.array([None], pa.null()), y=[1])
    write(tmp_path / "3.parquet", x=pa.array([2**62 + 1], pa.int64()), ts=[NOON], id=pa.array(["3"], pa.large_string()))
    found = read_source(ParquetSource("*.parquet", timestamp="ts"), ["id", "x"], tmp_path)
    assert found["x"].to_pylist() == [1, None, 2**62 + 1]
    assert found["ts"].to_pylist() == [NOON] * 3


@pytest.mark.parametrize("odd", [{"x": [1.5]}, {"x": ["1"]}, {"x": [[1]]}, {"y": [1]}])
def test_a_file_that_differs_from_the_others_is_named(tmp_path: Path, odd: dict[str, Any]) -> None:
    write(tmp_path / "1.parquet", x=[1])
    write(tmp_path / "2.parquet", **odd)
    with pytest.raises(DataInvalid, match=r"2\.parquet") as caught:
        read_source(ParquetSource("*.parquet", timestamp="ts"), ["x"], tmp_path)
    assert caught.value.faults[0].field == "x"


@pytest.mark.parametrize("path", ["gone.parquet", "gone/*.parquet", "empty", "**x**/["])
@pytest.mark.parametrize("form", [ParquetSource, CsvSource, DeltaSource])
def test_files_that_are_not_there_are_named(form: Any, path: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataInvalid) as caught:
        read_source(form(path, timestamp="ts"), ["id"], tmp_path)
    assert caught.value.faults[0].field == "path"
    assert path in caught.value.faults[0].value


@pytest.mark.parametrize("content", [b"", b"PAR1 no PAR1", b"\xff\xfe\x00", b"id,ts\n1\n", b'id,ts\n"1,2'])
@pytest.mark.parametrize("form", [ParquetSource, CsvSource])
def test_what_cannot_be_read_is_refused(form: Any, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DataInvalid):
        read_source(form("file", timestamp="ts"), ["id"], tmp_path)


@pytest.mark.parametrize("ts", [1_700_000_000, "yesterday", 1.5])
def test_time_columns_hold_times(ts: object, tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", ts=[ts])
    with pytest.raises(DataInvalid) as caught:
        read_source(ParquetSource("1.parquet", timestamp="ts"), ["id"], tmp_path)
    assert caught.value.faults[0].field == "ts"
    assert str(ts) in caught.value.faults[0].value


def test_csv_values_keep_their_meaning(tmp_path: Path) -> None:
    columns = {
        "code": (["007", "12"], ["007", "12"]),
        "whole": (["9007199254740993", ""], [9007199254740993, None]),
        "huge": (["123456789012345678901", "1"], ["123456789012345678901", "1"]),
        "share": (["1.5", "NA"], [1.5, None]),
        "exact": (["1234567890123456.78", "1.00"], ["1234567890123456.78", "1.00"]),
        "country": (["NA", "DE"], ["NA", "DE"]),
        "open": (["true", "False"], [True, False]),
        "note": (['"a, ""b""\nc"', "d"], ['a, "b"\nc', "d"]),
        "none": (["", ""], [None, None]),
        "ts": (["2026-01-31 12:00:00", "2026-01-31T13:00:00+01:00"], [NOON, NOON]),
    }
    lines = [",".join(columns), *(",".join(texts[row] for texts, _ in columns.values()) for row in (0, 1))]
    (tmp_path / "rows.csv").write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")
    found = read_source(CsvSource("rows.csv", timestamp="ts"), list(columns), tmp_path)
    assert found.to_pydict() == {name: values for name, (_, values) in columns.items()}


def test_types_of_csv_are_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,ts\n7,2026-01-31\n")
    (tmp_path / "2.csv").write_text("ts,id\n2026-01-31,x\n")
    found = read_source(CsvSource("*.csv", timestamp="ts"), ["id"], tmp_path)
    assert found["id"].to_pylist() == ["7", "x"]


def database(root: Path, *statements: str) -> None:
    connection = sqlite3.connect(root / "some.db")
    connection.executescript(";".join(statements))
    connection.close()


def sql(query: str, url: str = "sqlite:///some.db") -> SqlSource:
    return SqlSource(url=url, query=query, timestamp="ts")


MADE = "CREATE TABLE t (id, ts, x); INSERT INTO t VALUES ('a', '2026-01-31 12:00', 1), ('b', '2026-01-31', 2)"


@pytest.mark.parametrize(
    "query",
    [
        "t",
        "main.t",
        "SELECT * FROM t;",
        "SELECT id, ts, x, ':x' AS colon, '100%' AS percent FROM t WHERE id LIKE '%' AND '12:30 :y' <> id",
        "WITH u AS (SELECT * FROM t) SELECT u.* FROM u -- all of them\n",
    ],
)
def test_a_query_is_a_table_or_a_select(query: str, tmp_path: Path) -> None:
    database(tmp_path, MADE)
    found = read_source(sql(query), ["x"], tmp_path)
    assert found["x"].to_pylist() == [1, 2]
    assert found["ts"].to_pylist() == [NOON, NOON.replace(hour=0)]
    assert found.column_names == ["x", "ts"]


def test_many_rows_come_in_batches_and_may_begin_with_nulls(tmp_path: Path) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 120000) SELECT i FROM n"
    insert = f"INSERT INTO t SELECT i, NULL, NULLIF(i / 60000, 0) FROM ({numbers})"
    database(tmp_path, "CREATE TABLE t (id, ts, x)", insert)
    found = read_source(sql("t"), ["id", "x"], tmp_path)
    assert found["id"].to_pylist() == list(range(120_001))
    assert found["x"].null_count == 60_000
    assert found["ts"].type == MOMENT
    empty = read_source(sql("SELECT * FROM t WHERE 0"), ["id"], tmp_path)
    assert (empty.num_rows, empty["ts"].type) == (0, MOMENT)


def test_the_url_may_name_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database(tmp_path, MADE)
    with pytest.raises(InvalidInput, match=r"\$PLACE"):
        read_source(sql("t", "sqlite:///$PLACE.db"), [], tmp_path)
    monkeypatch.setenv("PLACE", "some")
    assert read_source(sql("t", "sqlite:///${PLACE}.db"), [], tmp_path).num_rows == 2


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (sql("t", "no url"), InvalidInput),
        (sql("t", "nosuch://x"), InvalidInput),
        (sql("t", "sqlite:///gone.db"), DataInvalid),
        (sql("t", "sqlite://"), DataInvalid),
        (sql("gone"), DataInvalid),
        (sql("SELEC 1"), DataInvalid),
        (sql("SELECT 1 AS id; DROP TABLE t"), DataInvalid),
        (sql("SELECT id, ts, CASE id WHEN 'a' THEN 1 ELSE 'b' END AS x FROM t"), DataInvalid),
        (sql("t", "postgresql://me:secret@127.0.0.1:1/x"), NotReady),
        (sql("t", "mysql+mysqldb://me:secret@127.0.0.1:1/x"), MissingExtra),
    ],
)
def test_databases_and_queries_that_cannot_be_used(source: SqlSource, error: Any, tmp_path: Path) -> None:
    database(tmp_path, MADE)
    with pytest.raises(error) as caught:
        read_source(source, ["x"], tmp_path)
    assert "secret" not in str(caught.value)
    assert all(fault.fix for fault in caught.value.faults)
    assert not (tmp_path / "gone.db").exists()
    assert read_source(sql("t"), ["x"], tmp_path).num_rows == 2


def test_streams_and_lakes_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        read_source(StreamSource("payments", timestamp="at", schema={"id": str}), ["id"], tmp_path, lake)
    with pytest.raises(InvalidInput):
        read_source(LakeSource(table="profiles", timestamp="ts"), ["id"], tmp_path)


@pytest.mark.postgres
def test_postgresql_gives_its_types(tmp_path: Path) -> None:
    url = os.environ.get("TROPISM_TEST_POSTGRES", "postgresql+psycopg://root@127.0.0.1:5432/test")
    # A SELECT without a table: nothing is made in the database, and nothing is left behind.
    query = """
        SELECT ('00000000-0000-0000-0000-00000000000' || i)::uuid AS id, 4611686018427387905 AS big,
               (i * 1.25)::numeric(20, 2) AS amount, array[i, 2]::real[] AS vector, '100% :x'::text AS note,
               timestamptz '2026-01-31 13:00+01' AS ts, timestamp '2026-01-31 12:00' AS seen
        FROM generate_series(1, 2) AS i
    """
    source = SqlSource(url=url, query=query, timestamp="ts", created="seen")
    try:
        found = read_source(source, ["id", "big", "amount", "vector", "note"], tmp_path)
    except NotReady as error:
        pytest.skip(f"PostgreSQL does not answer; set TROPISM_TEST_POSTGRES: {error}")
    assert found["id"].to_pylist() == [f"00000000-0000-0000-0000-00000000000{i}" for i in (1, 2)]
    assert found["big"].to_pylist() == [2**62 + 1] * 2
    assert found["amount"].to_pylist() == [Decimal("1.25"), Decimal("2.50")]
    assert found["vector"].to_pylist() == [[1.0, 2.0], [2.0, 2.0]]
    assert found["note"].to_pylist() == ["100% :x"] * 2
    assert found["ts"].to_pylist() == found["seen"].to_pylist() == [NOON] * 2
