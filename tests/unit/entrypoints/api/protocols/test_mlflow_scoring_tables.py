from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.core.errors import MalformedBody, TooLarge
from tropism.entrypoints.api.protocols.mlflow_scoring_tables import MISSING, csv_rows, parquet_rows

NAMES = ("a", "b")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a,b\n1,x\n", [{"a": "1", "b": "x"}]),
        (b"b,c,a\r\nx,y,1\r\n", [{"a": "1", "b": "x"}]),
        (b'a,b\n1,"x, ""y""\nz"\n', [{"a": "1", "b": 'x, "y"\nz'}]),
        (b"a,b\n1\n", [{"a": "1", "b": None}]),
        (b"a\n1", [{"a": "1"}]),
        (b"a,b\n", []),
        (b"\xef\xbb\xbfa,b\n\n1,2\n\n", [{"a": "1", "b": "2"}]),
        (b"a,a\n1,2\n", [{"a": "1"}]),
        (b"c\n1\n", [{}]),
    ],
)
def test_csv_is_read_as_pandas_reads_it(body: bytes, expected: Any) -> None:
    assert csv_rows(body, NAMES, 10) == expected


@pytest.mark.parametrize("cell", sorted(MISSING))
def test_cells_that_mean_missing(cell: str) -> None:
    assert csv_rows(f"a,b\n{cell},1\n".encode(), NAMES, 10) == [{"a": None, "b": "1"}]


@pytest.mark.parametrize(
    "body", [b"", b"\n\n", b"a,b\n1,2,3\n", b"a\n\xff\n", b'a\n"1\n', b"a\n" + b"x" * 200_000, "a\n1".encode("utf-16")]
)
def test_what_is_no_csv_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody) as caught:
        csv_rows(body, NAMES, 10)
    assert caught.value.faults[0].fix


def test_too_many_lines_are_not_read() -> None:
    assert len(csv_rows(b"a\n" + b"1\n" * 10, NAMES, 10)) == 10
    with pytest.raises(TooLarge):
        csv_rows(b"a\n" + b"1\n" * 11, NAMES, 10)


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def test_parquet_columns_that_are_wanted_are_read() -> None:
    body = parquet({"c": [1, 2], "b": ["x", None], "a": [1.5, None]})
    assert parquet_rows(body, NAMES, 10, 1_000) == [{"a": 1.5, "b": "x"}, {"a": None, "b": None}]


def test_parquet_of_too_many_rows_is_refused() -> None:
    with pytest.raises(TooLarge):
        parquet_rows(parquet({"a": list(range(11))}), NAMES, 10, 1_000)


def test_parquet_that_unpacks_to_much_more_is_refused() -> None:
    body = parquet({"a": ["x" * 100_000] * 9}, compression="zstd", use_dictionary=False)
    assert len(body) < 2_000
    with pytest.raises(TooLarge):
        parquet_rows(body, NAMES, 10, 2_000)


@pytest.mark.parametrize("body", [b"", b"PAR1PAR1", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_what_is_no_parquet_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        parquet_rows(body, NAMES, 10, 1_000)
