"""Decisions and numbers in plain words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.entrypoints.replay.record import Decision

METRIC_NAMES = {
    "log_loss": "log loss",
    "brier": "Brier score",
    "accuracy": "accuracy",
    "mae": "mean absolute error",
    "mse": "mean squared error",
}
_OUTCOMES = {
    "promote": "was promoted",
    "reject": "was rejected",
    "rollback": "was brought back",
    "keep": "stays in reserve; the new champion was kept",
    "wait": "is still being compared",
}


def figure(value: float | None) -> str:
    """A number as short as it may be read.

    >>> figure(0.123456), figure(12.3456), figure(12345.6), figure(0.0000123), figure(None)
    ('0.1235', '12.35', '12,346', '1.23e-05', '')
    """
    if value is None or not math.isfinite(value):
        return ""
    size = abs(value)
    if size >= 1_000:
        return f"{value:,.0f}"
    if size >= 1:
        return f"{value:.{3 - math.floor(math.log10(size))}f}"
    return f"{value:.4f}" if size >= 0.001 or size == 0 else f"{value:.3g}"


def headline(decision: Decision) -> str:
    """What was decided, in one sentence.

    Evidence is read by the names that the loop writes; what is not there is left out.
    """
    version = "a model" if decision.version is None else f"version {decision.version}"
    if decision.kind == "train":
        return _training(decision, version)
    done = _OUTCOMES.get(decision.kind, f"{decision.kind} was decided")
    first = decision.evidence.get("comparison") == "baseline"
    return f"{version[0].upper()}{version[1:]} {done}{', as the first model' if first else ''}."


def evidence_words(decision: Decision) -> str:
    """What a decision rests on: how many outcomes, the difference and its bounds, or the reason.

    >>> from tropism.entrypoints.replay.record import Decision
    >>> facts = {"n": 512, "metric": "brier", "estimate": 0.021, "lower": 0.008, "upper": 0.034}
    >>> evidence_words(Decision("a", 0, "promote", "m", 3, facts))
    '512 outcomes; Brier score better by 0.0210 (between 0.0080 and 0.0340)'
    """
    facts = decision.evidence
    if decision.kind == "train":
        return "; ".join(str(reason) for reason in _listed(facts.get("reasons"))) or _text(facts, "failure", "reason")
    parts = []
    if (count := _number(facts, "n")) is not None:
        parts.append(f"{count:,.0f} outcomes")
    if (estimate := _number(facts, "estimate")) is not None:
        parts.append(_difference(facts, estimate))
    parts += [_text(facts, "reason")] if _text(facts, "reason") else []
    waiting = _text(facts, "waiting_for")
    if decision.kind == "wait" and waiting:
        parts.append(f"waiting for more {waiting}")
    return "; ".join(parts)


def _training(decision: Decision, version: str) -> str:
    if decision.version is None or decision.evidence.get("failure"):
        return f"A training ended without a model: {decision.evidence.get('failure') or 'no reason was recorded'}."
    return f"{version[0].upper()}{version[1:]} was trained."


def _difference(facts: Mapping[str, Any], estimate: float) -> str:
    metric = str(facts.get("metric", "loss"))
    words = "better" if estimate >= 0 else "worse"
    against = " than the baseline" if facts.get("comparison") == "baseline" else ""
    text = f"{METRIC_NAMES.get(metric, metric)} {words}{against} by {figure(abs(estimate))}"
    lower, upper = _number(facts, "lower"), _number(facts, "upper")
    if lower is None or upper is None:
        return f"{text} (no bounds yet)"
    low, high = (lower, upper) if estimate >= 0 else (-upper, -lower)
    return f"{text} (between {figure(low)} and {figure(high)})"


def _number(facts: Mapping[str, Any], name: str) -> float | None:
    value = facts.get(name)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable and value is not None else None


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _text(facts: Mapping[str, Any], *names: str) -> str:
    return next((str(facts[name]) for name in names if facts.get(name)), "")
