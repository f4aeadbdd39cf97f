"""How a task is watched: false alarms that are acceptable, what is looked at, and the rules that alert people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput
from tropism.core.expression_text import parse
from tropism.core.expressions import Metric, walk
from tropism.core.faults import close_to, one_of
from tropism.core.metric_names import METRIC_NAMES

if TYPE_CHECKING:
    from collections.abc import Collection

Severity = Literal["low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")
CONCEPTS = ("e-detector", "adwin", "page-hinkley", "ddm", "hddm", "kswin")
MATURED_LEAST = 100
"""Fewest matured predictions of a period for its performance to be known. Below, it is unknown rather than part of the
conditions: with `and`, an alert would end when outcomes stop to come."""
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789_-"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A condition that alerts people.

    `when`: a condition on metrics, such as `"latency_p95 > 500ms and predictions > 100"` (docs/monitoring.md lists
    them). A rule that has the name of a default one replaces it, and switches it off where `when` is empty. `hold`: how
    long the condition must be true before the alert fires, and, if that is more than a minute, false before it ends.
    `cooldown`: how long it stays quiet after it ended. `channels`: who is told; every channel when empty.

    >>> Rule("slow", "latency_p95 > 200ms and predictions > 100", severity="low", hold="5m").cooldown
    '1h'
    """

    name: str
    when: str
    severity: Severity = "medium"
    hold: str = "0s"
    cooldown: str = "1h"
    channels: tuple[str, ...] = ()
    description: str = ""


DEFAULT_RULES = (
    Rule("accuracy", "accuracy < 0.85", "high", description="too many predictions came out wrong"),
    Rule("latency", "latency_p95 > 500ms", "medium", description="answers are slow"),
    Rule("errors", "error_rate > 5%", "high", description="too many requests fail"),
    Rule("drift", "drift > 0.8", "high", description="the features are not what they were in the reference"),
    Rule("decay", "decay > 0.8", "high", description="the model does worse than it did"),
)
"""Rules that hold unless a task's own replace them or switch them off. Regression has no accuracy, so that one is
quiet."""


class Monitoring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a task is watched.

    `false_alarms`: mean time between false alarms, all that is watched of a task together. `tolerance`: standard
    deviations of shift that do not matter. `window`: predictions of this span are looked at together. `reference`: most
    rows that normal is learnt from. `ignore`: features that need not stay as they were, such as a running number.
    `period`: the span that performance and service figures of rules are of. `segments`: categorical features, or
    conditions on features, whose rows are watched apart. `rules`: who is told of what, beside the defaults.
    `cost_per_1000`: what as many predictions cost, in your currency. `concept`: the detector that watches the loss.

    >>> Monitoring(false_alarms="90d", rules=(Rule("drift", "drift > 0.8 or drift('age') > 0.8"),)).window
    '1m'
    """

    false_alarms: str = "30d"
    tolerance: float = 0.005
    window: str = "1m"
    reference: int = 100_000
    ignore: tuple[str, ...] = ()
    period: str = "1h"
    segments: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    cost_per_1000: float = 0.0
    concept: str = "e-detector"


def effective_rules(monitoring: Monitoring) -> tuple[Rule, ...]:
    """The rules that hold: the defaults, replaced or switched off by a task's own, then the others.

    >>> own = (Rule("accuracy", "accuracy < 0.9"), Rule("decay", ""), Rule("stale", "freshness > 1h"))
    >>> [f"{rule.name}: {rule.when}" for rule in effective_rules(Monitoring(rules=own))]
    ['accuracy: accuracy < 0.9', 'latency: latency_p95 > 500ms', 'errors: error_rate > 5%', 'drift: drift > 0.8', \
'stale: freshness > 1h']
    """
    named = {rule.name: rule for rule in (*DEFAULT_RULES, *monitoring.rules)}
    return tuple(rule for rule in named.values() if rule.when.strip())


def monitoring_faults(monitoring: Monitoring, feature_names: Collection[str] | None) -> list[Fault]:
    """What is wrong with the monitoring of a task with these features; None where they are not all known yet."""
    faults = [*_number_faults(monitoring), *_span_faults(monitoring), *_segment_faults(monitoring, feature_names)]
    if monitoring.concept not in CONCEPTS:
        fix = one_of(monitoring.concept, CONCEPTS, "detectors", "")
        faults.append(Fault("monitoring.concept", repr(monitoring.concept), fix))
    names = [rule.name for rule in monitoring.rules]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.append(Fault("monitoring.rules", repr(name), "give each rule a name of its own"))
    for rule in monitoring.rules:
        faults += _rule_faults(rule, feature_names)
    return faults


def _number_faults(monitoring: Monitoring) -> list[Fault]:
    faults = []
    if not 0 <= monitoring.tolerance <= 1:
        fix = "use a number from 0 to 1, such as 0.005"
        faults.append(Fault("monitoring.tolerance", str(monitoring.tolerance), fix))
    if monitoring.reference < 100:
        faults.append(Fault("monitoring.reference", str(monitoring.reference), "use at least 100"))
    if not 0 <= monitoring.cost_per_1000 < math.inf:
        faults.append(Fault("monitoring.cost_per_1000", str(monitoring.cost_per_1000), "use 0 or more"))
    return faults


def _span_faults(monitoring: Monitoring) -> list[Fault]:
    faults: list[Fault] = []
    spans = {name: getattr(monitoring, name) for name in ("window", "period", "false_alarms")}
    lengths = {name: _length(f"monitoring.{name}", text, faults) for name, text in spans.items()}
    for name, length in lengths.items():
        if length == 0:
            faults.append(Fault(f"monitoring.{name}", repr(spans[name]), "use more than no time"))
    window = lengths["window"]
    for name in ("period", "false_alarms"):
        if window and 0 < (lengths[name] or 0) < window:
            fix = f"use at least the window, {monitoring.window}"
            faults.append(Fault(f"monitoring.{name}", repr(spans[name]), fix))
    return faults


def _segment_faults(monitoring: Monitoring, feature_names: Collection[str] | None) -> list[Fault]:
    faults = []
    for segment in sorted(set(monitoring.segments)):
        named = not set(segment) & set("<>=!")  # else it is a condition, which its reader checks
        if not segment.strip() or monitoring.segments.count(segment) > 1:
            faults.append(Fault("monitoring.segments", repr(segment), "name a feature or a condition, each once"))
        elif named and feature_names is not None and segment not in feature_names:
            fix = one_of(segment, feature_names, "features", "declare the feature")
            faults.append(Fault("monitoring.segments", repr(segment), fix))
    return faults


def _rule_faults(rule: Rule, feature_names: Collection[str] | None) -> list[Fault]:
    field = f"monitoring.rules.{rule.name}"
    faults: list[Fault] = []
    if not 0 < len(rule.name) <= 64 or set(rule.name) - set(_NAME):
        faults.append(Fault("monitoring.rules", repr(rule.name), "name it with 1 to 64 of a-z, 0-9, '-' and '_'"))
    if rule.severity not in SEVERITIES:
        faults.append(Fault(f"{field}.severity", repr(rule.severity), f"use one of: {', '.join(SEVERITIES)}"))
    _length(f"{field}.hold", rule.hold, faults)
    _length(f"{field}.cooldown", rule.cooldown, faults)
    if not all(channel.strip() for channel in rule.channels):
        faults.append(Fault(f"{field}.channels", repr(rule.channels), "name channels, or none for all of them"))
    return [*faults, *_condition_faults(rule, f"{field}.when", feature_names)]


def _condition_faults(rule: Rule, field: str, feature_names: Collection[str] | None) -> list[Fault]:
    defaults = [one.name for one in DEFAULT_RULES]
    if not rule.when.strip():
        fix = f"write a condition, such as 'accuracy < 0.85'; only defaults are switched off: {', '.join(defaults)}"
        return [] if rule.name in defaults else [Fault(field, "''", fix)]
    try:
        condition = parse(rule.when, field)
    except InvalidInput as error:
        return list(error.faults)
    asked = {one.argument for one in walk(condition) if isinstance(one, Metric) and _of_feature(one)}
    faults = []
    for name in sorted(asked) if feature_names is not None else ():
        if name not in (feature_names or ()):
            close = close_to(name, feature_names or ())
            fix = f"did you mean '{close}'?" if close else f"use a feature: {', '.join(feature_names or ())}"
            faults.append(Fault(field, f"'{name}' in {rule.when}", fix))
    return faults


def _of_feature(metric: Metric) -> bool:
    return bool(metric.argument) and METRIC_NAMES[metric.name].of == "feature"


def _length(field: str, text: str, faults: list[Fault]) -> int | None:
    """A duration in µs; None, and a fault more, if it is none."""
    try:
        return parse_duration(text, field)
    except InvalidInput as error:
        faults += error.faults
    return None
