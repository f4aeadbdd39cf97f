"""Durations as people write them: `90s`, `15m`, `6h`, `2d`, `1w`; `0` is no time at all."""

from __future__ import annotations

import re

from tropism.core.clock import SECOND
from tropism.core.errors import Fault, InvalidInput

_UNITS = {"ms": SECOND // 1_000, "s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND, "d": 86_400 * SECOND}
_UNITS["w"] = 7 * _UNITS["d"]
_DIGITS = 40
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])")


def parse_duration(text: str, field: str = "duration") -> int:
    """Microseconds in a duration.

    Raises:
        InvalidInput: it is not a duration; names `field`.

    >>> parse_duration("2d") == 2 * 24 * 3600 * SECOND
    True
    """
    text = text.strip()
    if text == "0":
        return 0
    match = _PATTERN.fullmatch(text)
    if match is None or len(match[1]) > _DIGITS:
        raise InvalidInput(
            f"{field} is not a duration",
            Fault(field, repr(text[:80]), "write a number and a unit, such as 90s, 6h or 2d"),
        )
    return round(float(match[1]) * _UNITS[match[2]])


def format_duration(microseconds: int) -> str:
    """The shortest exact way to write a duration.

    >>> format_duration(2 * 86_400 * SECOND), format_duration(0), format_duration(90 * SECOND)
    ('2d', '0', '90s')
    >>> format_duration(999_999_500), format_duration(1_500)
    ('999999.5ms', '1.5ms')
    """
    if microseconds == 0:
        return "0"
    for unit in ("w", "d", "h", "m", "s"):
        count, rest = divmod(microseconds, _UNITS[unit])
        if rest == 0 and (unit != "w" or count > 1):
            return f"{count}{unit}"
    whole, below = divmod(microseconds, _UNITS["ms"])
    return f"{whole}.{below:03}".rstrip("0").rstrip(".") + "ms"
