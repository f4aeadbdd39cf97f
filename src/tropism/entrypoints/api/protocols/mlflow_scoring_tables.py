"""CSV and Parquet bodies of MLflow's scoring protocol, read into rows by feature name as pandas would read them."""

from __future__ import annotations

import csv
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, MalformedBody, TooLarge
from tropism.entrypoints.api.protocols.mlflow_scoring_forms import limited

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.entrypoints.api.protocols.mlflow_scoring_forms import Row

MISSING = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
        *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
"""Cells that `pandas.read_csv` takes for a missing value."""
_CSV = (
    "Failed to parse input as a Pandas DataFrame. Ensure that the input is a valid CSV-formatted Pandas DataFrame "
    "produced using the `pandas.DataFrame.to_csv()` method."
)
_PARQUET = (
    "Failed to parse input as a Pandas DataFrame. Ensure that the input is a valid Parquet Pandas DataFrame produced "
    "using the `pandas.DataFrame.to_parquet()` method."
)
_INFLATION = 32
"""A Parquet body may hold this many times the limit of a body once it is unpacked."""


def csv_rows(body: bytes, names: Sequence[str], most: int) -> list[Row]:
    """The rows of a CSV file with a header; cells are texts or None. Columns beside `names` are left out.

    Raises:
        MalformedBody: not UTF-8, no header, or a row that is longer than the header.
        TooLarge: more than `most` rows.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = "Invalid input. Ensure that input is a valid UTF-8 encoded string."
        raise MalformedBody(message, Fault("body", f"byte {error.start}", "encode the body as UTF-8")) from error
    try:
        lines = list(islice((one for one in csv.reader(StringIO(text), strict=True) if one), most + 2))
    except csv.Error as error:
        raise MalformedBody(_CSV, Fault("body", str(error), "close every quote; separate by commas")) from error
    if not lines:
        raise MalformedBody(_CSV, Fault("body", "nothing", "send a line of column names, and a line for each row"))
    columns, rows = lines[0], lines[1:]
    limited(len(rows), most)
    for number, row in enumerate(rows, start=1):
        if len(row) > len(columns):
            fault = Fault(f"row {number}", f"{len(row)} cells", f"send {len(columns)} cells, as many as column names")
            raise MalformedBody(_CSV, fault)
    places = [(name, columns.index(name)) for name in names if name in columns]
    return [{name: _cell(row, place) for name, place in places} for row in rows]


def _cell(row: list[str], place: int) -> str | None:
    if place >= len(row) or row[place] in MISSING:
        return None
    return row[place]


def parquet_rows(body: bytes, names: Sequence[str], most: int, largest: int) -> list[Row]:
    """The rows of a Parquet file. Columns beside `names` are not read.

    Raises:
        MalformedBody: not such a file.
        TooLarge: more than `most` rows, or it unpacks to many times `largest` bytes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(body))
        metadata = file.metadata
        limited(metadata.num_rows, most)
        size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
        if size > largest * _INFLATION:
            fault = Fault("body", f"{size} bytes once unpacked", "predict in smaller batches")
            raise TooLarge("the body is too large", fault)
        table = file.read([name for name in names if name in file.schema_arrow.names], use_threads=False)
        rows: list[dict[str, Any]] = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        fault = Fault("body", str(error)[:200], "send a whole Parquet file")
        raise MalformedBody(_PARQUET, fault) from error
    limited(len(rows), most)
    return rows
