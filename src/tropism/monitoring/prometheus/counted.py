"""Service figures as PromQL: from what the data planes count.

Prometheus estimates quantiles within the buckets that `/metrics` tells, which are fewer than those in the lake; a
condition whose limit is the bound of a bucket is not touched by that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.monitoring.prometheus.selectors import common, labelled, selector

if TYPE_CHECKING:
    from tropism.monitoring.prometheus.selectors import Source

_SHARES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}


def counted(name: str, source: Source) -> str:
    """The expression for one of `names.COUNTED`, over the source's period.

    >>> from tropism.monitoring.prometheus.selectors import Source
    >>> counted("latency_p50", Source("price", "1h", {}))
    'histogram_quantile(0.5, sum by (model, le) (rate(ml_prediction_latency_seconds_bucket{model="price"}[1h])))'
    """
    if name in _SHARES:
        buckets = selector("ml_prediction_latency_seconds_bucket", source)
        return f"histogram_quantile({_SHARES[name]}, sum by (model, le) (rate({buckets}[{source.period}])))"
    if name == "error_rate":
        return _error_rate(source)
    function = {"predictions": "increase", "throughput": "rate"}[name]
    made = selector("ml_model_predictions_total", source)
    return f"(sum by (model) ({function}({made}[{source.period}])) or {_none(source)})"


def _error_rate(source: Source) -> str:
    """Either counter may not be there yet: that is a 0. Without both, or without requests, nothing is known."""
    failures = selector("ml_prediction_errors_total", source, pattern='status=~"5.."')
    answers = selector("ml_prediction_latency_seconds_count", source)
    failed, answered = (f"rate({one}[{source.period}])" for one in (failures, answers))
    requests = f"sum by (model) ({answered} or {failed})"  # they differ in labels, so this has both
    return f"((sum by (model) ({failed}) or 0 * {requests}) / {requests})"


def _none(source: Source) -> str:
    """0 for a model that nobody asked yet: it has no counter, but its data plane tells of itself."""
    return labelled(f"0 * max({common('tropism_requests_in_flight', source)})", source)
