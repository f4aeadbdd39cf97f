"""What rules may be about: the metrics of a task, their scales, and which are of one feature or segment."""

from __future__ import annotations

from typing import Literal

import msgspec

Scale = Literal["share", "time", "number"]


class MetricName(msgspec.Struct, frozen=True):
    """`scale`: a share (0 to 1), a time (seconds) or a plain number. `of`: what an argument in quotes names, if any may
    be given; it must be given where it is `needed`.
    """

    scale: Scale = "number"
    of: Literal["", "feature", "segment"] = ""
    needed: bool = False


_SEGMENT_SHARE, _SEGMENT_NUMBER = MetricName("share", "segment"), MetricName("number", "segment")
_FEATURE_SHARE, _TIME = MetricName("share", "feature", needed=True), MetricName("time")

METRIC_NAMES: dict[str, MetricName] = {
    "accuracy": _SEGMENT_SHARE,
    "precision": _SEGMENT_SHARE,
    "recall": _SEGMENT_SHARE,
    "f1": _SEGMENT_SHARE,
    "auc": _SEGMENT_SHARE,
    "loss": _SEGMENT_NUMBER,
    "baseline_loss": _SEGMENT_NUMBER,
    "mae": _SEGMENT_NUMBER,
    "rmse": _SEGMENT_NUMBER,
    "mape": _SEGMENT_NUMBER,
    "estimated_performance": _SEGMENT_NUMBER,
    "drift": MetricName("share", "feature"),
    "prediction_drift": MetricName("share"),
    "decay": MetricName("share"),
    "latency_p50": _TIME,
    "latency_p95": _TIME,
    "latency_p99": _TIME,
    "throughput": MetricName(),
    "error_rate": MetricName("share"),
    "cpu": MetricName(),
    "memory_bytes": MetricName(),
    "gpu": MetricName(),
    "missing": _FEATURE_SHARE,
    "unseen": _FEATURE_SHARE,
    "out_of_range": _FEATURE_SHARE,
    "freshness": _TIME,
    "label_coverage": _SEGMENT_SHARE,
    "label_delay": _TIME,
    "predictions": _SEGMENT_NUMBER,
    "cost": MetricName(),
}
"""Every metric by its name. Performance is of the matured predictions of a period, service figures of all of it."""
PERFORMANCE = ("accuracy", "precision", "recall", "f1", "auc", "loss", "baseline_loss", "mae", "rmse", "mape")
"""Metrics that need outcomes."""


def show_figure(name: str, value: float) -> str:
    """A metric's value as people read it.

    >>> show_figure("accuracy", 0.8213), show_figure("latency_p95", 0.7325), show_figure("predictions", 120_000)
    ('82.13%', '732.5ms', '120000')
    """
    scale = METRIC_NAMES[name].scale if name in METRIC_NAMES else "number"
    if scale == "time":
        return f"{value * 1_000:.4g}ms" if abs(value) < 1 else f"{value:.6g}s"
    if scale == "share" and name not in ("drift", "prediction_drift", "decay"):
        return f"{100 * value:.4g}%"
    return f"{value:.6g}"
