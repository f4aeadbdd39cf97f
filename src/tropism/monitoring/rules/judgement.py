"""What rules say of facts: whether their condition holds, on which figures, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.expression_text import parse
from tropism.core.expressions import Metric, figure, truth, walk
from tropism.core.metric_names import PERFORMANCE, show_figure
from tropism.core.monitoring import MATURED_LEAST, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.core.monitoring import Rule


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule says now. `holds` is None where it cannot be told. `subject`: the features and segments that the
    condition names, empty for the task as a whole. `value`: of the metric that it names first. `figures`: of all its
    metrics. `hold` and `cooldown` are in µs.
    """

    rule: str
    subject: str
    severity: Severity
    when: str
    holds: bool | None
    value: float | None
    figures: dict[str, float | None]
    message: str
    hold: int = 0
    cooldown: int = 0
    channels: tuple[str, ...] = ()


def judge(rule: Rule, facts: Mapping[str, float | None]) -> Judgement:
    """What a rule says of facts, which are keyed `drift` or `drift:age`.

    Raises:
        InvalidInput: its condition is none; `core.monitoring.monitoring_faults` tells of this beforehand.

    >>> from tropism.core.monitoring import Rule
    >>> judge(Rule("slow", "latency_p95 > 500ms"), {"latency_p95": 0.7325}).message
    'slow: latency_p95 is 732.5ms (latency_p95 > 500ms)'
    """
    condition = parse(rule.when)
    asked = list(dict.fromkeys(node for node in walk(condition) if isinstance(node, Metric)))
    figures = {metric.key: figure(metric, facts) for metric in asked}
    shown = ", ".join(f"{metric} is {_shown(metric.name, figures[metric.key])}" for metric in asked)
    return Judgement(
        rule=rule.name,
        subject=", ".join(dict.fromkeys(metric.argument for metric in asked if metric.argument)),
        severity=rule.severity,
        when=str(condition),
        holds=truth(condition, facts),
        value=figures[asked[0].key],
        figures=figures,
        message=f"{rule.name}: {shown} ({condition})",
        hold=parse_duration(rule.hold, "hold"),
        cooldown=parse_duration(rule.cooldown, "cooldown"),
        channels=rule.channels,
    )


def withhold(facts: Mapping[str, float | None], matured: int, least: int = MATURED_LEAST) -> dict[str, float | None]:
    """Facts without the performance of fewer than `least` matured predictions, segments included.

    The figures of a segment should be withheld for its own number, by a call with its facts alone.

    >>> withhold({"accuracy": 0.5, "drift": 0.1}, matured=3)
    {'accuracy': None, 'drift': 0.1}
    """
    if matured >= least:
        return dict(facts)
    return {key: None if key.partition(":")[0] in PERFORMANCE else value for key, value in facts.items()}


def _shown(name: str, value: float | None) -> str:
    return "unknown" if value is None else show_figure(name, value)
