"""Reads CSV files. Types are found out over all values, so that no part of a file decides for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from tropism.features.offline.refusals import require_columns, unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NOTHING = pa.array(["", "NULL", "null", "NA", "N/A", "nan", "NaN", "None", "\\N"])
_WHOLE = r"^-?(0|[1-9]\d*)$"
# 007 is a name rather than a number, and so is what a float would change: 15 digits and more before the point.
_NO_FLOAT = r"^[+-]?(0\d|\d{15})"
_FLOAT = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_TRUTH = r"^(?i:true|false)$"


def read_csv(files: Sequence[Path], wanted: Sequence[str]) -> pa.Table:
    """Columns of CSV files with a header. A column is whole numbers, floats, true and false, or text; empty is null.

    Raises:
        DataInvalid: a file is not CSV in UTF-8, or lacks a column.
    """
    table = pa.concat_tables([_text(file, wanted) for file in files])
    return pa.table({name: typed(table[name]) for name in wanted})


def _text(file: Path, wanted: Sequence[str]) -> pa.Table:
    parse = csv.ParseOptions(newlines_in_values=True)
    text = {name: pa.string() for name in wanted}
    try:
        with csv.open_csv(file, parse_options=parse) as opened:
            there = opened.schema.names
        require_columns(there, wanted, str(file))
        convert = csv.ConvertOptions(
            include_columns=list(wanted), column_types=text, null_values=[""], strings_can_be_null=True
        )
        return csv.read_csv(file, parse_options=parse, convert_options=convert)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(file, "CSV", error) from error


def typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of text as what all of it can be read as without a change of meaning.

    >>> [str(typed(pa.chunked_array([values])).type) for values in (["1", None], ["1.5", "NA"], ["007"], ["True"])]
    ['int64', 'double', 'string', 'bool']
    """
    bare = pc.if_else(pc.is_in(column, _NOTHING), pa.scalar(None, column.type), column)
    if bare.null_count == len(bare):
        return column
    if _all(bare, _WHOLE):
        try:
            return bare.cast(pa.int64())
        except pa.ArrowInvalid:  # more than 64 bits
            return column
    if _all(bare, _FLOAT) and not pc.any(pc.match_substring_regex(bare, _NO_FLOAT)).as_py():
        return bare.cast(pa.float64())
    return bare.cast(pa.bool_()) if _all(bare, _TRUTH) else column


def _all(column: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(column, pattern)).as_py())
