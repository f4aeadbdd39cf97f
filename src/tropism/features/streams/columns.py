"""The columns of a stream, compiled once into readers of values as they are sent."""

from __future__ import annotations

import decimal
import math
import re
import struct
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tropism.core.clock import from_datetime

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.features.types import Dtype

MOST_TEXT = 1_024
"""Most characters of a text."""
MOST_KEY = 512
"""Most characters of a key that is text, as `keys.key_text` takes it."""
MOST_DIGITS = 38
"""Most digits of a decimal number, those after the point among them."""
EARLIEST = -62_135_596_800_000_000
"""The year 1, in µs since the epoch."""
LATEST = 253_402_300_799_999_999
"""The end of the year 9999."""
_WHOLE = 2**63
_LONGEST_NUMERAL = 100
_NUMERAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)


class Mark:
    """A value that nobody can send."""


UNFIT: Final = Mark()
"""What a value is read as that is not of its column's type."""


def value_reader(kind: Dtype, *, key: bool = False) -> Callable[[Any], Any]:
    """A function from a value as it was sent, null excepted, to the value of a row of `core.events.Push`, or `UNFIT`.

    Numbers may be floats, whole numbers or `decimal.Decimal`s. `key`: the column is part of an entity's key.

    >>> from tropism.features.types import dtype
    >>> value_reader(dtype("decimal(2)"))("12.3"), value_reader(dtype("time"))("1970-01-01T00:00:01Z")
    ('12.30', 1000000)
    """
    if kind.kind == "decimal":
        return _decimals(kind.scale)
    if kind.kind == "vector":
        return _vectors(kind.size)
    if kind.kind == "text":
        return _texts(MOST_KEY, 1) if key else _texts(MOST_TEXT, 0)
    return {"number": _number, "integer": _integer, "boolean": _boolean, "time": _time}[kind.kind]


def expected(kind: Dtype, *, key: bool = False) -> str:
    """What to send, for an error."""
    if kind.kind == "decimal":
        most = MOST_DIGITS - kind.scale
        return f'a decimal number such as "12.5", with at most {most} digits before and {kind.scale} after the point'
    if kind.kind == "vector":
        return f"a list of {kind.size} finite numbers, each below 3.4e38"
    if kind.kind == "text":
        return f"a string of 1 to {MOST_KEY} characters" if key else f"a string of at most {MOST_TEXT} characters"
    return {
        "number": "a finite number, without quotes",
        "integer": "a whole number of 64 bits, without a point and without quotes",
        "boolean": "true or false",
        "time": "ISO 8601, such as 2026-01-31T12:00:00Z, or whole microseconds since 1970",
    }[kind.kind]


def _number(value: Any) -> float | Mark:
    kind = type(value)
    if kind is float:
        return value if -math.inf < value < math.inf else UNFIT
    if kind is not int and kind is not decimal.Decimal:
        return UNFIT
    try:
        number = float(value)
    except (OverflowError, ValueError):  # too large, a signalling NaN
        return UNFIT
    return number if math.isfinite(number) else UNFIT


def _integer(value: Any) -> int | Mark:
    return value if type(value) is int and -_WHOLE <= value < _WHOLE else UNFIT


def _boolean(value: Any) -> bool | Mark:
    return value if type(value) is bool else UNFIT


def _time(value: Any) -> int | Mark:
    if type(value) is str:
        try:
            value = from_datetime(datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            return UNFIT
    return value if type(value) is int and EARLIEST <= value <= LATEST else UNFIT


def _texts(most: int, least: int) -> Callable[[Any], str | Mark]:
    def read(value: Any) -> str | Mark:
        if type(value) is not str or not least <= len(value) <= most:
            return UNFIT
        return value if value.isascii() or not _halved(value) else UNFIT

    return read


def _halved(text: str) -> bool:
    """Whether it has halves of surrogate pairs, which cannot be written."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _decimals(scale: int) -> Callable[[Any], str | Mark]:
    """Exact, or not at all: what has more places or digits is unfit. A float is its shortest text."""
    unit = decimal.Decimal(1).scaleb(-scale)
    exact = decimal.Context(prec=MOST_DIGITS, traps=[decimal.Inexact, decimal.InvalidOperation])
    nothing = format(unit * 0, "f")

    def read(value: Any) -> str | Mark:
        text = _numeral(value)
        if text is None:
            return UNFIT
        try:
            number = exact.quantize(decimal.Decimal(text), unit)
        except decimal.DecimalException:
            return UNFIT
        return format(number, "f") if number else nothing

    return read


def _numeral(value: Any) -> str | None:
    """A number or a text as the text of a number."""
    kind = type(value)
    if kind is str:
        return value if len(value) <= _LONGEST_NUMERAL and _NUMERAL.fullmatch(value) else None
    if kind is float:
        return repr(value) if math.isfinite(value) else None
    if kind is decimal.Decimal:
        return str(value) if value.is_finite() else None
    return str(value) if kind is int and value.bit_length() < 128 else None


def _vectors(size: int) -> Callable[[Any], list[float] | Mark]:
    """In single precision already, as the lake and the stores have them, so that what follows loses nothing."""
    single = struct.Struct(f"{size}f")
    numbers = {float, int, decimal.Decimal}

    def read(value: Any) -> list[float] | Mark:
        if type(value) is not list or len(value) != size or not numbers.issuperset(map(type, value)):
            return UNFIT
        try:
            rounded = single.unpack(single.pack(*value))
        except (OverflowError, ValueError, struct.error):
            return UNFIT
        return list(rounded) if all(map(math.isfinite, rounded)) else UNFIT

    return read
