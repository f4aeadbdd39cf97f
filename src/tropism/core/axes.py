"""Scales and ticks: where values stand on a chart, and which of them are written out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tropism.core.clock import DAY, SECOND

_HOURS = (1, 2, 3, 6, 12)
_MONTHS = (1, 2, 3, 6)


@dataclass(frozen=True)
class Scale:
    """Maps low..high to start..end on the page, in straight proportion.

    >>> Scale(0, 10, 100, 200)(5)
    150.0
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values from `low` to `high`, about `count` of them.

    >>> nice_ticks(0.0, 1.0, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    raw = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(position * step, 12) for position in range(first, last + 1)]


def tick_text(value: float, step: float) -> str:
    """A tick's value with as many decimals as its step needs.

    >>> tick_text(0.5, 0.25), tick_text(2000.0, 500.0), tick_text(1e-5, 1e-5)
    ('0.50', '2,000', '1e-05')
    """
    if abs(step) < 1e-4:
        return f"{value:.3g}"
    text = f"{step:.6f}".rstrip("0")
    decimals = len(text.partition(".")[2])
    return f"{value:,.{decimals}f}"


def time_ticks(low: int, high: int, count: int = 6) -> list[tuple[int, str]]:
    """Round moments from `low` to `high` (µs), about `count` of them, and how they are written.

    >>> [text for _, text in time_ticks(0, 400 * DAY, 3)]
    ['Jan 1970', 'Jul 1970', 'Jan 1971']
    """
    days = (high - low) / DAY / max(count, 1)
    if days > 300:
        step = max(1, round(days / 365.25))
        return _calendar(low, high, 12 * step, "%Y")
    if days > 25:
        return _calendar(low, high, next(m for m in (*_MONTHS, 12) if m * 30.5 >= days * 0.8 or m == 12), "%b %Y")
    if days > 0.75:
        return _even(low, high, max(1, round(days)) * DAY, "%d %b")
    hours = days * 24
    if hours > 0.7:
        return _even(low, high, next((h for h in _HOURS if h >= hours * 0.8), 24) * 3_600 * SECOND, "%d %b %H:%M")
    minutes = next((m for m in (1, 2, 5, 10, 15, 30) if m >= hours * 60 * 0.8), 60)
    return _even(low, high, minutes * 60 * SECOND, "%H:%M")


def _moment(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)


def _even(low: int, high: int, step: int, form: str) -> list[tuple[int, str]]:
    first = -(-low // step) * step
    moments = ((at, _moment(at).strftime(form)) for at in range(first, high + 1, step))
    return [(at, written.removeprefix("0") if form.startswith("%d") else written) for at, written in moments]


def _calendar(low: int, high: int, months: int, form: str) -> list[tuple[int, str]]:
    start = _moment(low)
    index = start.year * 12 + start.month - 1
    index -= index % months
    ticks: list[tuple[int, str]] = []
    while True:
        year, month = divmod(index, 12)
        moment = datetime(year, month + 1, 1, tzinfo=UTC)
        at = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * SECOND
        if at > high:
            return ticks
        if at >= low:
            ticks.append((at, moment.strftime(form)))
        index += months
