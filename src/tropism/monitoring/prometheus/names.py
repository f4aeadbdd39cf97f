"""Which Prometheus series tells each fact. Gauges are written, and rules are translated, by the same table."""

from __future__ import annotations

from typing import NamedTuple

from tropism.core.metric_names import METRIC_NAMES

SEGMENT = "ml_model_segment_figure"
ALERTS = "ml_model_alerts_open"
WATCHED = "ml_model_watched_timestamp_seconds"
_DRIFT = "ml_model_drift_score"
_DRIFT_TYPES = {"drift": "features", "prediction_drift": "prediction", "decay": "loss"}

HELP = {
    "ml_model_accuracy": "Share of matured predictions that came true.",
    "ml_model_precision": "Precision of matured predictions.",
    "ml_model_recall": "Recall of matured predictions.",
    "ml_model_f1": "F1 of matured predictions.",
    "ml_model_auc": "Area under the ROC curve of matured predictions.",
    "ml_model_loss": "Mean loss of matured predictions.",
    "ml_model_baseline_loss": "Mean loss of the best baseline on the same predictions.",
    "ml_model_mae": "Mean absolute error of matured predictions.",
    "ml_model_rmse": "Root mean squared error of matured predictions.",
    "ml_model_mape": "Mean absolute error of matured predictions, as a share of the outcome.",
    "ml_model_estimated_performance": "Performance as estimated before outcomes come.",
    _DRIFT: "How sure it is that features, predictions or the loss changed; 0.8 is an alarm. "
    "The empty feature is all of them together.",
    "ml_model_missing_ratio": "Share of values that are missing.",
    "ml_model_unseen_ratio": "Share of values that are categories the reference did not have.",
    "ml_model_out_of_range_ratio": "Share of values outside the feature's declared range.",
    "ml_model_label_coverage_ratio": "Share of predictions that got an outcome in their window.",
    "ml_model_label_delay_seconds": "Median time from a prediction to its outcome.",
    "ml_model_freshness_seconds": "Time since the last prediction.",
    "ml_model_cpu_cores": "Processor cores at work in the busiest process that serves the model.",
    "ml_model_memory_bytes": "Memory that the processes that serve the model hold.",
    "ml_model_gpu_ratio": "Share of time in which the GPUs worked.",
    "ml_model_cost": "Cost of a period, in the project's currency.",
    SEGMENT: "A figure of one segment, by the name that rules have for it.",
    ALERTS: "Alerts that are open.",
    WATCHED: "When the model was last looked at.",
}
"""What each gauge tells, in the order in which they are written."""

_WHOLE = {
    "label_coverage": "ml_model_label_coverage_ratio",
    "label_delay": "ml_model_label_delay_seconds",
    "freshness": "ml_model_freshness_seconds",
    "cpu": "ml_model_cpu_cores",
    "gpu": "ml_model_gpu_ratio",
}
COUNTED = ("latency_p50", "latency_p95", "latency_p99", "throughput", "error_rate", "predictions")
"""Facts that data planes' counters and histograms tell, so that no gauge does."""


class Series(NamedTuple):
    """A metric, and the labels that it has beside the model and the version."""

    metric: str
    labels: tuple[tuple[str, str], ...] = ()


def series(name: str, argument: str = "") -> Series | None:
    """The gauge of a fact; None where none tells it.

    >>> series("drift", "age").labels
    (('drift_type', 'features'), ('feature', 'age'))
    >>> series("latency_p95") is None
    True
    """
    known = METRIC_NAMES.get(name)
    if known is None or (argument and not known.of) or (known.needed and not argument):
        return None
    if name in _DRIFT_TYPES:
        return Series(_DRIFT, (("drift_type", _DRIFT_TYPES[name]), ("feature", argument)))
    if argument and known.of == "segment":
        return Series(SEGMENT, (("metric", name), ("segment", argument)))
    if argument:
        return Series(f"ml_model_{name}_ratio", (("feature", argument),))
    return None if name in COUNTED else Series(_WHOLE.get(name, f"ml_model_{name}"))
