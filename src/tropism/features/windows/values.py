"""Values of columns as the aggregates hold them: decimals as whole numbers of their last place, times in µs."""

from __future__ import annotations

import decimal
import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tropism.core.clock import from_datetime
from tropism.core.errors import DataInvalid, Fault, InvalidInput
from tropism.features.windows.rounding import quotient

if TYPE_CHECKING:
    from tropism.features.aggregations import Aggregation
    from tropism.features.types import Dtype

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = from_datetime(datetime(1, 1, 1, tzinfo=UTC))
_FINAL = from_datetime(datetime(9999, 12, 31, tzinfo=UTC))
_WIDE = decimal.Context(prec=80)
_LONG = 1 << 63
_DIGITS = 10**38


def inner(column: str, kind: Dtype, value: Any) -> Any:
    """A value as it came in an event, as the aggregates hold it; None for null and NaN. -0.0 becomes 0.0.

    Raises:
        InvalidInput: it is of another type, or has more places or digits than its column.
    """
    if value is None:
        return None
    if kind.kind == "time":
        return moment(column, value)
    if not kind.fits(value):
        raise _unfit(column, kind, value)
    if kind.kind == "number":
        try:
            number = float(value) + 0.0
        except OverflowError as error:
            raise _unfit(column, kind, value) from error
        return number if number == number else None
    if kind.kind == "decimal":
        return _scaled(column, kind, value)
    if kind.kind == "vector":
        return list(struct.unpack(f"<{kind.size}f", struct.pack(f"<{kind.size}f", *value)))
    if kind.kind == "integer" and not -_LONG <= value < _LONG:
        raise _unfit(column, kind, value)
    return value


def moment(column: str, value: Any) -> int:
    """µs since 1970, from that or a datetime. Raises `InvalidInput` for all else, and outside the years 1 to 9999."""
    if isinstance(value, datetime):
        return from_datetime(value)
    if type(value) is not int or not _FIRST <= value <= _FINAL:
        raise InvalidInput("a time is not one", Fault(column, repr(value)[:80], "send a datetime, or µs since 1970"))
    return value


def outer(kind: Dtype, value: Any) -> Any:
    """The other way: as `Column.to_pylist` gives it."""
    if value is None:
        return None
    if kind.kind == "decimal":
        return decimal.Decimal(value).scaleb(-kind.scale, _WIDE)
    if kind.kind == "time":
        return _EPOCH + timedelta(microseconds=value)
    return value


def canonical(kind: Dtype, value: Any) -> bytes:
    """Bytes that are equal for equal values of a column."""
    if kind.kind == "text":
        return str(value).encode("utf-8", "surrogatepass")
    if kind.kind == "number":
        return struct.pack("<d", value)
    if kind.kind == "vector":
        return struct.pack(f"<{kind.size}f", *value)
    return b"%d" % value


def whole(aggregation: Aggregation, kind: Dtype, total: int) -> int:
    """A sum of integers or decimals, if its type can hold it.

    Raises:
        DataInvalid: it cannot.
    """
    bound = _LONG if kind.kind == "integer" else _DIGITS
    if -bound < total < bound:
        return total
    fix = "use a shorter window, or make the column a number"
    fault = Fault(aggregation.name, str(total)[:80], fix)
    raise DataInvalid(f"the sum of '{aggregation.column}' has more digits than {kind.kind}s have", fault)


def unit(kind: Dtype) -> int:
    """How many times a value the whole number is that stands for it."""
    return int(10**kind.scale)


def rounded(total: int, exponent: int, below: int = 1) -> float:
    """total * 2**exponent / below, rounded once."""
    return quotient(total << max(exponent, 0), below << max(-exponent, 0))


def _scaled(column: str, kind: Dtype, value: Any) -> int | None:
    number = value if isinstance(value, decimal.Decimal) else decimal.Decimal(str(value))
    if number.is_nan():
        return None
    scaled = number.scaleb(kind.scale, _WIDE) if number.is_finite() and number.adjusted() < 40 else None
    places = 0 if scaled is None else int(scaled)
    if scaled is None or scaled != places or not -_DIGITS < places < _DIGITS:
        raise _unfit(column, kind, value)
    return places


def _unfit(column: str, kind: Dtype, value: object) -> InvalidInput:
    name = f"decimal({kind.scale})" if kind.kind == "decimal" else kind.kind
    fault = Fault(column, repr(value)[:80], f"send a value of type {name}")
    return InvalidInput("a value does not fit its column", fault)
