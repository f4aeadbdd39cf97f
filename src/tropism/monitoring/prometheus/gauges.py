"""What monitoring knows of each task as gauges, in Prometheus's text format."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from tropism.core.clock import SECOND
from tropism.core.exposition import family
from tropism.core.expression_text import parse
from tropism.core.expressions import metrics
from tropism.core.metric_names import METRIC_NAMES
from tropism.core.monitoring import Rule
from tropism.monitoring.alerts.alert import Alert
from tropism.monitoring.prometheus.names import ALERTS, HELP, SEGMENT, WATCHED, Series, series

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Labels = tuple[tuple[str, str], ...]
    Samples = dict[str, list[tuple[Labels, float]]]

MOST = 50
"""Features, or segments, that a metric tells of each task."""
_OF_FEATURES = {name for name, known in METRIC_NAMES.items() if known.of == "feature"}
_BOUNDED = {told.metric for name, known in METRIC_NAMES.items() if known.of and (told := series(name, "any"))}


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a task: its champion's `version` (None: the baseline serves), the `facts` that rules are judged
    by, the `alerts` that are open, the `rules` that hold, and `at`, when this was so (µs).
    """

    version: int | None
    facts: dict[str, float | None]
    alerts: tuple[Alert, ...] = ()
    rules: tuple[Rule, ...] = ()
    at: int | None = None


def gauges(tasks: Mapping[str, Known], most: int = MOST) -> str:
    """The gauges of tasks by name: a text that ends with a line break, or is empty.

    What is not known is left out. Of each task and metric the `most` features with the highest figures are told, and as
    many segments, and besides them all that the task's rules name.

    >>> print(gauges({"price": Known(version=3, facts={"accuracy": 0.875, "loss": None})}), end="")
    # HELP ml_model_accuracy Share of matured predictions that came true.
    # TYPE ml_model_accuracy gauge
    ml_model_accuracy{model="price",version="3"} 0.875
    """
    samples: Samples = {name: [] for name in HELP}
    for task, known in sorted(tasks.items()):
        model, version = ("model", task), ("version", str(known.version or 0))
        for told, value in _told(known, most):
            samples[told.metric].append(((model, version, *told.labels), value))
        for (rule, severity), count in sorted(_alerts(known).items()):
            samples[ALERTS].append(((model, ("rule", rule), ("severity", severity)), count))
        if known.at is not None:
            samples[WATCHED].append(((model,), known.at / SECOND))
    lines = [
        line for name, found in samples.items() if found for line in family(name, "gauge", _help(name, most), found)
    ]
    return "".join(f"{line}\n" for line in lines)


def _told(known: Known, most: int) -> Iterator[tuple[Series, float]]:
    """The facts that are told, in the order of the facts."""
    facts = {key: float(value) for key, value in known.facts.items() if value is not None and not math.isnan(value)}
    asked = {key for rule in known.rules for key in metrics(parse(rule.when))}
    kept = _largest(facts, most) | asked
    for key, value in facts.items():
        name, _, argument = key.partition(":")
        told = series(name, argument)
        if told is not None and (not argument or key in kept):
            yield told, value


def _largest(facts: Mapping[str, float], most: int) -> set[str]:
    """Of each metric with arguments, the features with the highest figures, or the first segments."""
    groups: dict[str, list[str]] = {}
    for key in facts:
        name, _, argument = key.partition(":")
        if argument:
            groups.setdefault(name, []).append(key)
    ranked = (sorted(g, key=lambda key: -facts[key]) if name in _OF_FEATURES else g for name, g in groups.items())
    return {key for group in ranked for key in group[:most]}


def _alerts(known: Known) -> Counter[tuple[str, str]]:
    """Open alerts by rule and severity; 0 for rules that are quiet."""
    counts = Counter({(rule.name, str(rule.severity)): 0 for rule in known.rules})
    counts.update((alert.rule, str(alert.severity)) for alert in known.alerts)
    return counts


def _help(name: str, most: int) -> str:
    which = {metric: "first" if metric == SEGMENT else "worst" for metric in _BOUNDED}.get(name)
    return HELP[name] + (f" Of each model, the {which} {most} and those that rules name." if which else "")
