"""Keys of entities: the same text online, the same small numbers offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Codes = npt.NDArray[np.int64]

_BETWEEN = "\x1f"
_MOST = 512
_PLAIN, _TOO_LARGE = 2**64, 10**_MOST


def key_text(columns: Sequence[str], row: Mapping[str, object]) -> str:
    """The key of one entity as text, from its columns in a row.

    Raises:
        InvalidInput: a column is missing, or is neither text nor a whole number.

    >>> key_text(("account",), {"account": 17}) == key_text(("account",), {"account": "17"}) == "17"
    True
    """
    if len(columns) == 1:
        # Nearly all keys are one of these two, and every read of features makes them.
        only = row.get(columns[0])
        if type(only) is int and -_PLAIN < only < _PLAIN:
            return str(only)
        if type(only) is str and len(only) <= _MOST and only.isascii():
            return only
    parts = []
    for column in columns:
        value = row.get(column)
        if isinstance(value, bool) or not isinstance(value, str | int) or not _sound(value):
            fault = Fault(column, _shown(value), f"send text or a whole number of up to {_MOST} characters")
            raise InvalidInput("the key of the entity is not one", fault)
        parts.append(_escaped(str(value)) if len(columns) > 1 else str(value))
    return _BETWEEN.join(parts)


def _sound(value: str | int) -> bool:
    """Not too long, and without halves of surrogate pairs, which no store can write."""
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        return False
    text = str(value)
    return len(text) <= _MOST and (text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text))


def _shown(value: object) -> str:
    try:
        return repr(value)[:80]
    except ValueError:  # Python writes no number of thousands of digits
        return f"too long ({type(value).__name__})"


def _escaped(part: str) -> str:
    return part.replace("\\", "\\\\").replace(_BETWEEN, "\\u")


def key_texts(table: pa.Table, columns: Sequence[str]) -> pa.ChunkedArray:
    """The keys of all rows of a table as text; null where a part is missing. Raises `DataInvalid` as `shared_codes`."""
    parts = [_as_text(table, column) for column in columns]
    if len(parts) == 1:
        return parts[0]
    for place, part in enumerate(parts):
        slashes = pc.replace_substring(part, "\\", "\\\\")
        parts[place] = pc.replace_substring(slashes, _BETWEEN, "\\u")
    return pc.binary_join_element_wise(*parts, _BETWEEN)


def shared_codes(tables: Sequence[pa.Table], columns: Sequence[str]) -> list[Codes]:
    """A number for each row of each table: equal numbers are equal keys, also across tables; -1 is no key.

    Raises:
        DataInvalid: a column is not there, or is neither text nor whole numbers.

    >>> left, right = pa.table({"a": [7, 8, None]}), pa.table({"a": ["8", "9"]})
    >>> [codes.tolist() for codes in shared_codes([left, right], ["a"])]
    [[0, 1, -1], [1, 2]]
    """
    total: Codes | None = None
    for column in columns:
        codes = _codes([_column(table, column) for table in tables])
        if total is None:
            total = codes
            continue
        missing = (total < 0) | (codes < 0)
        pairs = pa.array(total * (codes.max(initial=0) + 1) + codes, mask=missing)
        total = _codes([pa.chunked_array([pairs])])
    assert total is not None
    ends = np.cumsum([len(table) for table in tables])[:-1]
    return [np.asarray(part, np.int64) for part in np.split(total, ends)]


def _codes(columns: list[pa.ChunkedArray]) -> Codes:
    whole = all(pa.types.is_integer(column.type) and column.type != pa.uint64() for column in columns)
    columns = [column.cast(pa.int64() if whole else pa.large_string()) for column in columns]
    keys = pa.chunked_array([chunk for column in columns for chunk in column.chunks], columns[0].type)
    if whole and (differences := _differences(keys)) is not None:
        return differences
    codes: Codes = np.asarray(keys.combine_chunks().dictionary_encode().indices.fill_null(-1), np.int64)
    return codes


def _differences(keys: pa.ChunkedArray) -> Codes | None:
    """Whole numbers less the smallest, -1 for null: codes without a look-up. None where they would be no small ones."""
    least, most = pc.min_max(keys).as_py().values()
    if least is None or most - least >= len(keys):
        return None
    codes: Codes = np.asarray(keys.fill_null(least) if keys.null_count else keys, np.int64) - least
    if keys.null_count:
        codes[np.asarray(keys.is_null())] = -1
    return codes


def _column(table: pa.Table, column: str) -> pa.ChunkedArray:
    if column not in table.column_names:
        fix = f"name one of: {', '.join(table.column_names)[:200]}"
        raise DataInvalid("the data has no column for the entity's key", Fault(column, "missing", fix))
    found = table[column]
    if pa.types.is_dictionary(found.type):
        found = found.cast(found.type.value_type)
    text = pa.types.is_string(found.type) or pa.types.is_large_string(found.type) or pa.types.is_string_view(found.type)
    if not (text or pa.types.is_integer(found.type) or pa.types.is_null(found.type)):
        raise DataInvalid("a key is text or whole numbers", Fault(column, str(found.type), "cast the column to text"))
    return found


def _as_text(table: pa.Table, column: str) -> pa.ChunkedArray:
    return _column(table, column).cast(pa.string())
