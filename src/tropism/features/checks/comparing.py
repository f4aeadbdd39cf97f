"""Ranges and sets of numbers, exact whatever the column's type: bounds are brought onto the grid of its values."""

from __future__ import annotations

import datetime
import decimal
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from tropism.features.checks.columns import DIGITS

if TYPE_CHECKING:
    from tropism.features.checks.rules import Bound, OneOf, Range

_EXACT = decimal.Context(prec=2 * DIGITS)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_FAILS = {
    (False, False): pc.less,
    (False, True): pc.less_equal,
    (True, False): pc.greater,
    (True, True): pc.greater_equal,
}


def out_of_range(column: pa.ChunkedArray, rule: Range) -> pa.ChunkedArray:
    """Whether each value of a column of numbers or moments, as `column_of` gives it, is out of range."""
    found = []
    for bound, exclusive, upper in rule.edges:
        if isinstance(bound, datetime.datetime) or pa.types.is_floating(column.type):
            edge = pa.scalar(bound if isinstance(bound, datetime.datetime) else float(bound), column.type)
        else:
            edge, exclusive = _on_grid(bound, exclusive, upper, column.type)
        found.append(_FAILS[upper, exclusive](column, edge))
    return pc.or_(*found) if len(found) > 1 else found[0]


def value_out_of_range(value: Any, rule: Range) -> bool:
    """The same of one value of a row. A whole number against moments is µs since the epoch."""
    for bound, exclusive, upper in rule.edges:
        value, edge = _comparable(value, bound)
        if (value > edge if upper else value < edge) or (exclusive and value == edge):
            return True
    return False


def members(rule: OneOf, kind: pa.DataType) -> pa.Array:
    """The values of a set that a column of a type can have at all, in that type."""
    given: Any = rule.values
    if rule.wants in (("text",), ("boolean",)):
        return pa.array(given, kind)
    if pa.types.is_floating(kind):
        values = [float(one) for one in given if float(one) == one]
        return pa.array([*values, 0.0, -0.0] if 0.0 in values else values, kind)
    least, most, scale = _grid(kind)
    units = [Fraction(str(one)) * 10**scale for one in given]
    fitting = [int(one) for one in units if one.denominator == 1 and least <= one <= most]
    return pa.array([_value(one, kind, scale) for one in fitting], kind)


def value_in(value: Any, rule: OneOf) -> bool:
    """Whether one value of a row is in the set."""
    if isinstance(value, str | bool | float):
        return value in rule.values
    return any(decimal.Decimal(str(one)) == value for one in rule.values)


def _comparable(value: Any, bound: Bound) -> tuple[Any, Any]:
    if isinstance(bound, datetime.datetime):
        if isinstance(value, datetime.datetime):
            return value if value.tzinfo else value.replace(tzinfo=datetime.UTC), bound
        return value, (bound - _EPOCH) // datetime.timedelta(microseconds=1)
    return value, float(bound) if isinstance(value, float) else decimal.Decimal(str(bound))


def _on_grid(bound: Any, exclusive: bool, upper: bool, kind: pa.DataType) -> tuple[pa.Scalar, bool]:
    """The bound among the values that the type has, and whether it is excluded there."""
    least, most, scale = _grid(kind)
    exact = Fraction(str(bound)) * 10**scale
    units = math.floor(exact) if upper else math.ceil(exact)
    if not least <= units <= most:  # all values are on one side of it
        units, exclusive = (most, not upper) if units > most else (least, upper)
    elif units != exact:
        exclusive = False
    return pa.scalar(_value(units, kind, scale), kind), exclusive


def _grid(kind: pa.DataType) -> tuple[int, int, int]:
    """Least and most value in units of the last place, and how many places there are."""
    if pa.types.is_integer(kind):
        return -(2**63), 2**63 - 1, 0
    return 1 - 10**DIGITS, 10**DIGITS - 1, kind.scale


def _value(units: int, kind: pa.DataType, scale: int) -> int | decimal.Decimal:
    return units if pa.types.is_integer(kind) else _EXACT.scaleb(decimal.Decimal(units), -scale)
