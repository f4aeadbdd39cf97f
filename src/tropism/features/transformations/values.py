"""How transformations read numbers, categories and moments: from columns, and from one row, to equal bits.

A number that is not finite counts as missing, and so does a result that is not finite.
"""

from __future__ import annotations

import datetime
import decimal
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Row = Mapping[str, Any]
    Floats = npt.NDArray[np.float64]

NUMBERS = ("number", "integer", "decimal", "boolean")
CATEGORIES = ("text", "integer", "boolean")
MOMENTS = ("time",)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
# A day within the years 1 to 9999, so that no zone moves a moment out of them.
FIRST = -62_135_510_400_000_000
LAST = 253_402_214_399_999_999


def kind_of(arrow: pa.DataType) -> str:
    """The kind of feature that an Arrow type holds: as in `Dtype.kind`, or `null`, or the type's own name."""
    if pa.types.is_dictionary(arrow):
        return kind_of(arrow.value_type)
    tests = {
        "number": pa.types.is_floating,
        "integer": pa.types.is_integer,
        "decimal": pa.types.is_decimal,
        "boolean": pa.types.is_boolean,
        "time": pa.types.is_timestamp,
        "null": pa.types.is_null,
    }
    for kind, test in tests.items():
        if test(arrow):
            return kind
    text = pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or pa.types.is_string_view(arrow)
    return "text" if text else str(arrow)


def column(table: pa.Table, name: str, kinds: tuple[str, ...]) -> pa.ChunkedArray:
    """A column that holds one of these kinds.

    Raises:
        DataInvalid: it is not there, or there twice, or holds something else.
    """
    there = table.column_names.count(name)
    if there != 1:
        fix = f"name one of: {', '.join(table.column_names)[:200]}" if not there else "give each column its own name"
        fault = Fault(name, f"there {there} times" if there else "missing", fix)
        raise DataInvalid(f"the data has no one column '{name}'", fault)
    found = table[name]
    if kind_of(found.type) not in (*kinds, "null"):
        raise DataInvalid(
            f"the column '{name}' cannot be used", Fault(name, str(found.type), f"make it one of: {', '.join(kinds)}")
        )
    return found.cast(found.type.value_type) if pa.types.is_dictionary(found.type) else found


def numbers(table: pa.Table, name: str) -> Floats:
    """A column as (n,) float64, NaN where it is missing or not finite. Raises `DataInvalid` as `column` does."""
    found = column(table, name, NUMBERS)
    if pa.types.is_decimal(found.type):
        found = found.cast(pa.string())  # Arrow's own way from decimals to floats does not round correctly
    values: Floats = found.cast(pa.float64(), safe=False).to_numpy()
    finite = np.isfinite(values)
    return values if finite.all() else np.where(finite, values, np.nan)


def number(row: Row, name: str) -> float | None:
    """A value as a float, None where it is missing or not finite. Raises `InvalidInput` if it is no number."""
    value = _value(row, name)
    if type(value) is not float:
        if value is None:
            return None
        if not isinstance(value, float | int | decimal.Decimal):
            raise _unusable(name, value, "send a number or null")
        try:
            value = float(value)
        except (OverflowError, ValueError):  # above all floats; a signaling NaN
            return None
    return value if math.isfinite(value) else None


def floats(values: Floats) -> pa.Array:
    """Numbers as a column that is null where they are not finite."""
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


def finite(value: float) -> float | None:
    """`floats` for one number."""
    return value if math.isfinite(value) else None


def categories(table: pa.Table, name: str) -> pa.Array:
    """A column as text: whole numbers in digits, `true` and `false`. Raises `DataInvalid` as `column` does."""
    return column(table, name, CATEGORIES).cast(pa.string()).combine_chunks()


def category(row: Row, name: str) -> str | None:
    """A value as `categories` writes it. Raises `InvalidInput` if it is no category."""
    value = _value(row, name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return str(value)
    raise _unusable(name, value, "send text, a whole number, a boolean or null")


def moments(table: pa.Table, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """A column as (n,) µs since the epoch, and where it has a value. Times without a zone are in UTC.

    Raises:
        DataInvalid: as `column`, or a time is outside the years 1 to 9999.
    """
    found = column(table, name, MOMENTS).cast(pa.timestamp("us", "UTC"), safe=False)
    valid: npt.NDArray[np.bool_] = found.is_valid().to_numpy()
    values: npt.NDArray[np.int64] = pc.fill_null(found.cast(pa.int64()), 0).to_numpy()
    outside = (values < FIRST) | (values > LAST)
    if outside.any():
        fault = Fault(name, f"{values[outside][0]} µs", "use times within the years 1 to 9999")
        raise DataInvalid(f"the column '{name}' has impossible times", fault)
    return values, valid


def moment(row: Row, name: str) -> int | None:
    """A value as µs since the epoch; it is that, or a datetime with a zone. Raises `InvalidInput` if it is neither."""
    value = _value(row, name)
    if value is None:
        return None
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = (value - _EPOCH) // _MICROSECOND
    if isinstance(value, bool) or not isinstance(value, int) or not FIRST <= value <= LAST:
        raise _unusable(name, value, "send µs since the epoch, or a datetime with a zone, within the years 1 to 9999")
    return value


def _value(row: Row, name: str) -> Any:
    try:
        return row[name]
    except KeyError:
        fault = Fault(name, "missing", "send it, or null where there is no value")
        raise InvalidInput(f"the row has no '{name}'", fault) from None


def _unusable(name: str, value: object, fix: str) -> InvalidInput:
    return InvalidInput(f"'{name}' cannot be used", Fault(name, repr(value)[:80], fix))
