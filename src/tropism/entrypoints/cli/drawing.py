"""Small charts of characters, and texts of others on one line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEVELS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], low: float | None = None, high: float | None = None) -> str:
    """One character a value, from `low` to `high` (their smallest and largest); a gap where one is not known.

    >>> sparkline([0.0, 0.5, None, 1.0]), sparkline([2.0, 2.0]), sparkline([])
    ('▁▅ █', '▁▁', '')
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return " " * len(values)
    least, most = min(known) if low is None else low, max(known) if high is None else high
    return "".join(_level(value, least, most) for value in values)


def _level(value: float | None, low: float, high: float) -> str:
    if value is None or not math.isfinite(value):
        return " "
    share = (value - low) / (high - low) if high > low else 0.0
    return _LEVELS[round((len(_LEVELS) - 1) * min(max(share, 0.0), 1.0))]


def bar(share: float, width: int = 10) -> str:
    """A bar of `width` characters of which a share, 0 to 1, is filled.

    >>> bar(0.5, 4), bar(0.01, 4), bar(0.0, 4), bar(7.0, 4)
    ('██··', '█···', '····', '████')
    """
    filled = min(max(math.ceil(share * width), 0), width) if math.isfinite(share) else 0
    return "█" * filled + "·" * (width - filled)


def one_line(text: str, most: int = 400) -> str:
    """A text that somebody else wrote, on one line, without control characters.

    >>> one_line("new shop\\nin Lyon"), one_line("a" * 9, most=6)
    ('new shop in Lyon', 'aaa...')
    """
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."
