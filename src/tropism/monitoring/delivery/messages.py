"""What a person reads: title and text of a notice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tropism.core.clock import SECOND, iso
from tropism.core.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/v1/alerts/"
"""Of an alert, after the base address."""

_PERFORMANCE = "compare with the baseline and the version before, then retrain or roll back"
_DATA = "look at this column where the data comes from; retrain once the data is right"
_SERVICE = "look at the serving processes: their load, their logs, and what changed last"
_ADVICE = {
    "drift": "look at the named features where they come from; retrain if the change is real and stays",
    "prediction_drift": "see whether inputs changed or a version did; roll back if a version did",
    "label_coverage": "see whether outcomes still arrive; without them nothing can be judged",
    "label_delay": "see what holds up the outcomes; decisions wait for them",
    "freshness": "see whether callers still reach the service",
    "cost": "see which model and which caller it comes from",
    **dict.fromkeys(("missing", "unseen", "out_of_range"), _DATA),
    **dict.fromkeys(("latency_p50", "latency_p95", "latency_p99", "throughput", "error_rate"), _SERVICE),
    **dict.fromkeys(("cpu", "memory_bytes", "gpu", "predictions"), _SERVICE),
    **dict.fromkeys(("accuracy", "precision", "recall", "f1", "auc", "loss", "mae", "rmse", "mape"), _PERFORMANCE),
    **dict.fromkeys(("baseline_loss", "decay", "estimated_performance"), _PERFORMANCE),
}
_CAUSES = 5
_OTHERWISE = "see the evidence of the alert"


def title(body: Mapping[str, Any]) -> str:
    """One line.

    >>> title({"type": "alert.fired", "alert": {"task": "price", "severity": "high", "rule": "accuracy"}})
    'High: price: accuracy'
    >>> title({"type": "test"})
    'Tropism: a test'
    """
    if "title" in body:
        return str(body["title"])
    alert = body.get("alert")
    if not alert:
        return f"Tropism: {'a test' if body.get('type') == 'test' else 'a report'}"
    kind = "Resolved" if body.get("type") == "alert.resolved" else str(alert.get("severity", "alert")).capitalize()
    return f"{kind}: {alert.get('task', '')}: {alert.get('rule', '')}"


def text(body: Mapping[str, Any], link: str = "") -> str:
    """A few lines: what, how much, since when, what to do, and where to see more under the base address `link`.

    >>> print(text({"type": "alert.fired", "alert": {
    ...     "id": "a1", "task": "price", "rule": "accuracy", "subject": "accuracy", "severity": "high",
    ...     "message": "accuracy: 0.8125 (accuracy < 0.85)", "value": 0.8125, "since": 0, "fired_at": 3_600 * SECOND,
    ... }}, "https://ml.example.org"))
    accuracy: 0.8125 (accuracy < 0.85)
    Task: price
    What: accuracy
    Value: 0.8125
    Since: 1970-01-01T00:00:00Z (1h before it was told)
    What to do: compare with the baseline and the version before, then retrain or roll back
    https://ml.example.org/v1/alerts/a1
    """
    alert = body.get("alert")
    if not alert:
        return str(body.get("text") or "This channel receives the alerts of Tropism.")
    lines = [str(alert.get("message") or alert.get("rule", "")), f"Task: {alert.get('task', '')}"]
    if alert.get("subject"):
        lines.append(f"What: {alert['subject']}")
    if alert.get("value") is not None:
        lines.append(f"Value: {float(alert['value']):.4g}")
    lines += [*_causes(alert), *_times(alert)]
    if body.get("type") != "alert.resolved":
        lines.append(f"What to do: {_advice(alert)}")
    if link:
        lines.append(address_of(alert, link))
    return "\n".join(lines)


def address_of(alert: Mapping[str, Any], link: str) -> str:
    """Where an alert is to be seen."""
    return f"{link.rstrip('/')}{PATH}{alert.get('id', '')}"


def _times(alert: Mapping[str, Any]) -> list[str]:
    since, fired, resolved = (alert.get(name) for name in ("since", "fired_at", "resolved_at"))
    lines = []
    if since is not None:
        before = f" ({_whole(fired - since)} before it was told)" if fired is not None and fired > since else ""
        lines.append(f"Since: {iso(since // SECOND * SECOND)}{before}")
    if resolved is not None:
        lines.append(f"Resolved: {iso(resolved // SECOND * SECOND)}")
    return lines


def _whole(duration: int) -> str:
    """A duration by its largest unit that leaves at least 2 of it.

    >>> _whole(7_100 * SECOND), _whole(90 * SECOND), _whole(3 * 86_400 * SECOND + 5)
    ('118m', '90s', '3d')
    """
    for size in (86_400, 3_600, 60):
        if duration >= 2 * size * SECOND or duration == size * SECOND:
            return format_duration(duration // (size * SECOND) * size * SECOND)
    return format_duration(max(duration // SECOND, 1) * SECOND)


def _evidence(alert: Mapping[str, Any]) -> dict[str, Any]:
    evidence = alert.get("evidence")
    return evidence if isinstance(evidence, dict) else {}


def _causes(alert: Mapping[str, Any]) -> list[str]:
    """The features that did it, where the context of the alert ranks them: as names, or as objects with a `feature`."""
    context = _evidence(alert).get("context")
    causes = context.get("causes") if isinstance(context, dict) else None
    found = [cause.get("feature") if isinstance(cause, dict) else cause for cause in causes or []]
    names = [name for name in found if isinstance(name, str)]
    return [f"Causes: {', '.join(names[:_CAUSES])}"] if names else []


def _advice(alert: Mapping[str, Any]) -> str:
    """By the first metric of the rule's condition that there is advice for, unless the evidence brings its own."""
    evidence = _evidence(alert)
    if isinstance(evidence.get("advice"), str):
        return str(evidence["advice"])
    words = re.findall(r"\w+", f"{evidence.get('when', '')} {alert.get('rule', '')}")
    return next((_ADVICE[word] for word in words if word in _ADVICE), _OTHERWISE)
