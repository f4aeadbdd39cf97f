"""Values from requests and from the feature store, brought to the types that a pipeline's inputs are declared with: of
one row and of columns, to equal values.

Requests have floats for all numbers and text for times; the store and files have decimals and moments. Whatever Arrow
does not turn as the code for one row does goes through that code, value by value.
"""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tropism.core.errors import Fault, InvalidInput
from tropism.features.transformations.values import FIRST, LAST, kind_of
from tropism.features.types import Dtype, dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Turn = Callable[[Any], Any]

_DIGITS = 38
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
# What columns may hold that a pipeline takes as they are.
_AS_THEY_ARE = {"number": ("number", "integer"), "decimal": ("decimal", "integer")}
_FIXES = {
    "number": "send a number or null",
    "integer": "send a whole number of at most 64 bits, or null",
    "decimal": "send a number with as many places as are declared at most, or null",
    "text": "send text, a whole number or null",
    "boolean": "send true, false or null",
    "time": "send ISO 8601 text, µs since the epoch or null, within the years 1 to 9999",
}


class Filling:
    """One input: `name` of what fills it, as it is shown in errors.

    >>> Filling("integer", "count").value(3.0), Filling("time", "at").value("2026-07-01T09:00+02:00")
    (3, 1782889200000000)
    """

    def __init__(self, kind: str, name: str) -> None:
        """`kind`: the declared type of the input, such as `decimal(2)`."""
        self.name = name
        self._dtype: Dtype = dtype(kind)
        decimal = partial(_decimal, scale=self._dtype.scale)
        self._turn: Turn | None = decimal if self._dtype.kind == "decimal" else _TURNS.get(self._dtype.kind)

    def value(self, value: Any) -> Any:
        """A value as `apply_row` takes it; None stays None. Raises `InvalidInput` for one that does not fit."""
        if value is None or self._turn is None:
            return value
        try:
            return self._turn(value)
        except (ValueError, ArithmeticError):
            fault = Fault(self.name, repr(value)[:80], _FIXES[self._dtype.kind])
            raise InvalidInput(f"'{self.name}' cannot be used", fault) from None

    def column(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """A column as `apply` takes it. Raises `InvalidInput` for a value that does not fit."""
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        wanted, there = self._dtype.kind, kind_of(column.type)
        if self._turn is None or there in ("null", *_AS_THEY_ARE.get(wanted, (wanted,))):
            return column
        if (wanted, there) == ("text", "integer"):
            return column.cast(pa.string())
        if (wanted, there) == ("number", "decimal"):
            # Arrow's own way from decimals to floats does not round correctly.
            return column.cast(pa.string()).cast(pa.float64())
        return pa.chunked_array([pa.array([self.value(one) for one in column.to_pylist()], self._dtype.arrow())])


def filled(inputs: Mapping[str, Filling], column: Callable[[str], pa.ChunkedArray]) -> pa.Table:
    """The inputs of a pipeline as a table. `column`: gives what is there under the name of what fills an input."""
    return pa.table({name: one.column(column(one.name)) for name, one in inputs.items()})


def _number(value: Any) -> float | int | None:
    if isinstance(value, Decimal):
        return None if value.is_nan() else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return value


def _integer(value: Any) -> int | None:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError
    if not -(2**63) <= value < 2**63 or value != int(value):
        raise ValueError
    return int(value)


def _decimal(value: Any, scale: int) -> Decimal | int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    exact = Decimal(repr(value)).normalize()  # its shortest digits are those that were sent
    if -int(exact.as_tuple().exponent) > scale or exact.adjusted() >= _DIGITS - scale:
        raise ValueError
    return exact or Decimal(0)  # columns have no -0


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError
    return str(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _time(value: Any) -> int:
    """µs since the epoch. Times without a zone are in UTC; a date is its midnight in UTC."""
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value)
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.UTC)
    if isinstance(value, datetime.datetime):
        value = ((value if value.tzinfo else value.replace(tzinfo=datetime.UTC)) - _EPOCH) // _MICROSECOND
    whole = _integer(value)
    if whole is None or not FIRST <= whole <= LAST:
        raise ValueError
    return whole


_TURNS: dict[str, Turn] = {
    "number": _number,
    "integer": _integer,
    "text": _text,
    "boolean": _boolean,
    "time": _time,
}
