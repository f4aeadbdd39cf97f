"""Figures as short as a line of a terminal needs them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from tropism.core.durations import parse_duration
from tropism.core.errors import InvalidInput
from tropism.entrypoints.cli.drawing import one_line

if TYPE_CHECKING:
    from tropism.monitoring.estimation import Estimate
    from tropism.monitoring.figures import Figure

ALARM, CALM = 0.8, 0.5
_LARGE = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_SPANS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "m"), (1.0, "s"), (1e-3, "ms"))


def number(value: float | None) -> str:
    """Three digits of a number.

    >>> number(0.123456), number(12_345.6), number(0.0), number(0.00001234), number(None)
    ('0.123', '12.3k', '0', '1.23e-05', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    for size, unit in _LARGE:
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def seconds(value: float | None) -> str:
    """A span in the largest unit of which there is one.

    >>> seconds(0.0141), seconds(7_560.0), seconds(0.0), seconds(None)
    ('14ms', '2.1h', '0s', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    size, unit = next(((size, unit) for size, unit in _SPANS if value >= size), _SPANS[-1])
    if value == 0:
        return "0s"
    count = value / size
    return f"{count:.0f}{unit}" if count >= 10 else f"{count:.1f}".removesuffix(".0") + unit


def percent(value: float | None) -> str:
    """A share.

    >>> percent(0.973), percent(0.0004), percent(1.0), percent(None)
    ('97%', '0.04%', '100%', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.0%}" if value == 0 or value >= 0.095 else f"{100 * value:.1g}%"


def figure(found: Figure | Estimate | None) -> str:
    """A figure and half of its 95% interval.

    >>> from tropism.monitoring.figures import Figure
    >>> figure(Figure(100, 0.131, 0.119, 0.143)), figure(Figure(1, 0.131))
    ('0.131±0.012', '0.131')
    """
    if found is None or found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return number(found.value)
    return f"{number(found.value)}±{(found.high - found.low) / 2:.2g}"


def interval(found: Figure | Estimate | None) -> str:
    """A figure with its 95% interval.

    >>> from tropism.monitoring.figures import Figure
    >>> interval(Figure(100, 0.131, 0.119, 0.143)), interval(None)
    ('0.131 (0.119 to 0.143)', 'not known')
    """
    if found is None or found.value is None:
        return "not known"
    if found.low is None or found.high is None:
        return number(found.value)
    return f"{number(found.value)} ({number(found.low)} to {number(found.high)})"


def level(score: float | None) -> str:
    """A monitor's score, 0 to 1, marked where it is an alarm; never rounded up to one.

    >>> level(0.93), level(0.7999), level(None)
    ('0.93!', '0.79', '-')
    """
    if score is None:
        return "-"
    return f"{math.floor(score * 100 + 1e-9) / 100:.2f}{'!' if score >= ALARM else ''}"


def coloured(text: str, score: float | None) -> str:
    """A text in the colour of a monitor's score."""
    if score is None or score < CALM:
        return text
    return click.style(text, fg="red", bold=True) if score >= ALARM else click.style(text, fg="yellow")


def spoken(since: str) -> str:
    """A span or a time as people give them, as it stands in a sentence.

    >>> spoken("7d"), spoken("2026-01-31T12:00")
    ('the last 7d', 'the time since 2026-01-31T12:00')
    """
    try:
        parse_duration(since)
    except InvalidInput:
        return f"the time since {one_line(since, 40)}"
    return f"the last {since}"
