"""Columns of users' data as columns of the types that features have: times in µs UTC, numbers, text, vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.features.types import Dtype

MOMENT = pa.timestamp("us", "UTC")
_REFUSED = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError)
_TAKES = {
    "number": ("number", "integer", "decimal", "text"),
    "integer": ("number", "integer", "decimal", "text"),
    "decimal": ("number", "integer", "decimal", "text"),
    "boolean": ("boolean", "text"),
    "text": ("text", "integer", "decimal", "number", "boolean"),
    "vector": ("vector",),
}
_ZONED = r"\d[T ]\d\d(:\d\d.*)?(Z|[+-]\d\d(:?\d\d)?)$"
_BEYOND_MICROSECONDS = r"(\.\d{6})\d+"


def family(type_: pa.DataType) -> str:
    """The kind of feature that a column of an Arrow type can hold; Arrow's own name for it where there is none."""
    if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_):
        return "vector"
    for kind, holds in (
        ("integer", pa.types.is_integer),
        ("number", pa.types.is_floating),
        ("decimal", pa.types.is_decimal),
        ("text", _is_text),
        ("boolean", pa.types.is_boolean),
        ("time", lambda one: pa.types.is_timestamp(one) or pa.types.is_date(one)),
    ):
        if holds(type_):
            return kind
    return str(type_)


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without dictionary encoding."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def moments(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """A column of times as timestamp[us, UTC]. Times without a zone are taken as UTC, dates as their midnight there.

    Raises:
        DataInvalid: it holds numbers, or text that is not ISO 8601; names the column and a value.

    >>> moments(pa.chunked_array([["2026-01-31T12:00:00+02:00", "2026-01-31"]]), "at").cast(pa.string()).to_pylist()
    ['2026-01-31 10:00:00.000000Z', '2026-01-31 00:00:00.000000Z']
    """
    column = decoded(column)
    kind = family(column.type)
    if column.type == MOMENT:
        return column
    if kind in ("time", "null") or column.null_count == len(column):
        return _as_moments(column, name)
    if kind != "text":
        fix = "turn it into timestamps, or into text such as 2026-01-31T12:00:00Z; a number does not say its unit"
        value = f"{column.type}, such as {shown(column.drop_null()[0])}"
        raise DataInvalid("a time column holds something else", Fault(name, value[:80], fix))
    try:
        return _parsed(column)
    except _REFUSED as error:
        value = shown(first_refused(column, _parsed))
        fix = "write times in ISO 8601, such as 2026-01-31T12:00:00Z"
        raise DataInvalid("a time column holds text that is no time", Fault(name, value, fix)) from error


def _as_moments(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if family(column.type) not in ("time", "null"):
        return pa.chunked_array([pa.nulls(len(column), MOMENT)])
    # What is below a µs is cut off; the check is kept where a coarser unit could overflow.
    fine = pa.types.is_timestamp(column.type) and column.type.unit == "ns"
    try:
        return column.cast(MOMENT, safe=not fine)
    except pa.ArrowInvalid as error:
        fix = "use times between the years -290307 and 294246"
        raise DataInvalid("a time is out of range", Fault(name, str(column.type), fix)) from error


def _parsed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    text = pc.replace_substring_regex(column.cast(pa.large_string()), _BEYOND_MICROSECONDS, r"\1")
    zoned = pc.match_substring_regex(text, _ZONED)
    nothing = pa.scalar(None, text.type)
    with_zone = pc.if_else(zoned, text, nothing).cast(MOMENT)
    without = pc.if_else(zoned, nothing, text).cast(pa.timestamp("us")).cast(MOMENT)
    return pc.coalesce(with_zone, without)


def fitted(column: pa.ChunkedArray, kind: Dtype, name: str) -> pa.ChunkedArray:
    """A column of a source as one of a feature's type. NaN is null in all but vectors.

    Whole numbers become floats where floats are declared; nothing else loses a digit.

    Raises:
        DataInvalid: a value does not fit; names `name`, which is the feature's, and the first such value.
    """
    if kind.kind == "time":
        return moments(column, name)
    column = decoded(column)
    if pa.types.is_floating(column.type) and pc.any(pc.is_nan(column)).as_py():
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    if column.type == kind.arrow() and kind.kind != "vector":
        return column
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column), kind.arrow())])
    try:
        return _cast(column, kind)
    except _REFUSED as error:
        value = shown(first_refused(column, lambda part: _cast(part, kind)))
        declared = f"{kind.kind}({kind.scale or kind.size})" if kind.kind in ("decimal", "vector") else kind.kind
        fix = f"it is declared as {declared}: mend the value, or declare the type that the column ({column.type}) has"
        raise DataInvalid("a value does not fit the type of its feature", Fault(name, value, fix)) from error


def _cast(column: pa.ChunkedArray, kind: Dtype) -> pa.ChunkedArray:
    if family(column.type) not in _TAKES[kind.kind]:
        raise pa.ArrowTypeError(f"{column.type} is not {kind.kind}")
    if kind.kind == "vector":
        return _vectors(column, kind.arrow())
    # A whole number above 2^53 has no float of its own, which "number" does not promise.
    safe = not (kind.kind == "number" and pa.types.is_integer(column.type))
    result = column.cast(kind.arrow(), safe=safe)
    # The cast of floats rounds: 12.345 would silently be 12.35.
    rounds = kind.kind == "decimal" and pa.types.is_floating(column.type)
    if rounds and not pc.all(pc.equal(result.cast(column.type), column)).as_py():
        raise pa.ArrowInvalid("a float has more places")
    return result


def _vectors(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    if family(column.type.value_type) not in ("number", "integer", "decimal"):
        raise pa.ArrowTypeError("a vector is of numbers")
    result = column.cast(wanted, safe=False)
    # `flatten` leaves out what null vectors hide, so a null that is left is an element.
    if any(chunk.flatten().null_count for chunk in result.chunks):
        raise pa.ArrowInvalid("an element is missing")
    return result


def first_refused(column: pa.ChunkedArray, cast: Callable[[pa.ChunkedArray], object]) -> pa.Scalar:
    """The first value at which a cast that looks at each value by itself fails, by halving."""
    values = column.drop_null()
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            cast(values.slice(low, middle - low))
        except _REFUSED:
            high = middle
        else:
            low = middle
    return values[low]


def shown(value: pa.Scalar) -> str:
    """A value as messages show it.

    >>> shown(pa.scalar("12.345"))
    "'12.345'"
    """
    if pa.types.is_timestamp(value.type):
        return str(value.cast(pa.string()).as_py())
    return repr(value.as_py())[:80]
