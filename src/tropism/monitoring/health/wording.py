"""Numbers, times and names as people read them. What is not known is said to be so."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tropism.monitoring.estimation.estimate import Estimate
    from tropism.monitoring.figures import Figure

UNKNOWN = "not known"
METRIC_NAMES = {
    "log_loss": "log loss",
    "brier": "Brier score",
    "mae": "mean absolute error",
    "mse": "mean squared error",
    "rmse": "root mean squared error",
    "mape": "mean absolute percentage error",
    "r2": "R²",
    "auc": "AUC",
    "f1": "F1",
}
MONITOR_NAMES = {"features": "features", "prediction": "predictions", "loss": "loss"}
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"))


def metric_name(metric: str) -> str:
    return METRIC_NAMES.get(metric, metric)


def number(value: float | None) -> str:
    """A number as short as it may be read.

    >>> number(0.123456), number(12.3456), number(12345.6), number(0.0000123), number(None)
    ('0.1235', '12.35', '12,346', '1.23e-05', 'not known')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    size = abs(value)
    if size >= 1_000:
        return f"{value:,.0f}"
    if size >= 1:
        return f"{value:.{3 - math.floor(math.log10(size))}f}"
    return f"{value:.4f}" if size >= 0.001 or size == 0 else f"{value:.3g}"


def level(score: float) -> str:
    """A monitor's score."""
    return f"{score:.2f}"


def interval(found: Figure | Estimate | None) -> str:
    """A figure's value with its 95% interval, where it has one.

    >>> from tropism.monitoring.figures import Figure
    >>> interval(Figure(9, 0.2, 0.1, 0.3)), interval(Figure(1, 0.2))
    ('0.2000 (0.1000 to 0.3000)', '0.2000 (no interval)')
    """
    if found is None or found.value is None:
        return UNKNOWN
    if found.low is None or found.high is None:
        return f"{number(found.value)} (no interval)"
    return f"{number(found.value)} ({number(found.low)} to {number(found.high)})"


def share(value: float | None) -> str:
    """A share in percent.

    >>> share(0.5), share(0.0004), share(None)
    ('50%', '0.04%', 'not known')
    """
    if value is None:
        return UNKNOWN
    return f"{100 * value:.{1 if abs(value) >= 0.01 else 2}f}".rstrip("0").rstrip(".") + "%"


def count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def plural(value: int, one: str) -> str:
    """A number of things.

    >>> plural(1, "alert"), plural(1200, "alert")
    ('1 alert', '1,200 alerts')
    """
    return f"{value:,} {one}{'' if value == 1 else 's'}"


def seconds(value: float | None) -> str:
    """A span of time in the largest unit of which there is at least one.

    >>> seconds(0.0123), seconds(90), seconds(36_000), seconds(0), seconds(None)
    ('12.3 ms', '1.5 min', '10 h', '0 s', 'not known')
    """
    if value is None:
        return UNKNOWN
    size, unit = next(((size, unit) for size, unit in _UNITS if abs(value) >= size), (1.0, "s"))
    return f"{value / size:.1f}".removesuffix(".0") + f" {unit}"


def moment(at: int | None) -> str:
    """A moment to the minute, UTC.

    >>> moment(0)
    '1970-01-01 00:00'
    """
    if at is None:
        return UNKNOWN
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).strftime("%Y-%m-%d %H:%M")


def listed(names: list[str], most: int = 3) -> str:
    """Some names, and how many more there are.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
