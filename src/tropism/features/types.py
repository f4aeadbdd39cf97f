"""What a feature's values may be: numbers, whole numbers, text, truth, moments, exact decimals and vectors."""

from __future__ import annotations

import datetime
import decimal
import re
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import Fault, InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

MOST_SCALE = 18
MOST_DIMENSIONS = 16_384
_DIGITS = 38
_PLAIN: dict[Any, str] = {
    float: "number",
    int: "integer",
    str: "text",
    bool: "boolean",
    datetime.datetime: "time",
}
_FORM = re.compile(r"(number|integer|text|boolean|time)|decimal\((\d+)\)|vector\((\d+)\)")


class Decimal(msgspec.Struct, frozen=True):
    """A type: numbers with exactly so many places after the point, such as amounts of money.

    >>> str(Decimal(2))
    'decimal(2)'
    """

    scale: int

    def __str__(self) -> str:
        return f"decimal({self.scale})"


class Vector(msgspec.Struct, frozen=True):
    """A type: a fixed number of numbers in single precision, such as an embedding.

    >>> str(Vector(50))
    'vector(50)'
    """

    size: int

    def __str__(self) -> str:
        return f"vector({self.size})"


class Dtype(msgspec.Struct, frozen=True):
    """A type, taken apart. `kind`: number, integer, text, boolean, time, decimal or vector."""

    kind: str
    scale: int = 0
    size: int = 0

    @property
    def numeric(self) -> bool:
        """Whether values can be added up."""
        return self.kind in ("number", "integer", "decimal")

    def arrow(self) -> pa.DataType:
        """The Arrow type of its columns. Times are in µs, UTC."""
        import pyarrow as pa

        if self.kind == "decimal":
            return pa.decimal128(_DIGITS, self.scale)
        if self.kind == "vector":
            return pa.list_(pa.float32(), self.size)
        plain = {"number": pa.float64(), "integer": pa.int64(), "text": pa.string(), "boolean": pa.bool_()}
        return plain.get(self.kind) or pa.timestamp("us", "UTC")

    def fits(self, value: object) -> bool:
        """Whether a Python value, as `Column.to_pylist` gives it, is of this type. None is of none.

        >>> dtype("integer").fits(3), dtype("integer").fits(True), dtype("number").fits(3)
        (True, False, True)
        """
        if isinstance(value, bool):
            return self.kind == "boolean"
        if self.kind == "vector":
            return isinstance(value, list | tuple) and len(value) == self.size and all(_number(one) for one in value)
        if self.kind in ("number", "decimal"):
            return _number(value) or (self.kind == "decimal" and isinstance(value, decimal.Decimal))
        wanted: dict[str, type] = {"integer": int, "text": str, "time": datetime.datetime}
        return self.kind in wanted and isinstance(value, wanted[self.kind])


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def type_name(given: Any) -> str:
    """The name that a type is stored by: of `float`, `int`, `str`, `bool`, `datetime`, `Decimal`, `Vector`, or a name.

    Raises:
        InvalidInput: there is no such type.

    >>> type_name(float), type_name(Decimal(2)), type_name("vector(3)")
    ('number', 'decimal(2)', 'vector(3)')
    """
    try:
        name = _PLAIN.get(given) or str(given)
    except TypeError:  # not hashable
        name = repr(given)
    dtype(name)
    return name


def dtype(name: str) -> Dtype:
    """A type by its name. Raises `InvalidInput` for one that does not exist."""
    match = _FORM.fullmatch(name)
    if match is None:
        fix = "use float, int, str, bool, datetime, Decimal(places) or Vector(size)"
        raise InvalidInput("there is no such type of feature", Fault("type", name[:80], fix))
    plain, scale, size = match.groups()
    if plain:
        return Dtype(plain)
    if scale is not None:
        if int(scale) > MOST_SCALE:
            raise InvalidInput("a decimal has too many places", Fault("type", name, f"use 0 to {MOST_SCALE} places"))
        return Dtype("decimal", scale=int(scale))
    if not 1 <= int(size) <= MOST_DIMENSIONS:
        raise InvalidInput("a vector is of no possible size", Fault("type", name, f"use 1 to {MOST_DIMENSIONS}"))
    return Dtype("vector", size=int(size))
