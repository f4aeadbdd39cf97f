"""Tasks that have rules, and gauges as series."""

from __future__ import annotations

from collections.abc import Sequence

from tropism import Feature, Task
from tropism.core.monitoring import DEFAULT_RULES, Monitoring, Rule


def task_with(name: str, *rules: Rule, features: Sequence[str] = ("age",), period: str = "1h") -> Task:
    """A task that has these rules and no others."""
    off = (Rule(one.name, "") for one in DEFAULT_RULES if one.name not in {rule.name for rule in rules})
    return Task(
        name=name,
        kind="regression",
        target="y",
        features=tuple(map(Feature, features)),
        monitoring=Monitoring(rules=(*rules, *off), period=period),
    )


def series_of(text: str, values: int = 3) -> dict[str, str]:
    """Samples of an exposition text as series that stay as they are."""
    samples = (line.rpartition(" ") for line in text.split("\n") if line and not line.startswith("#"))
    return {name: " ".join([value.lstrip("+")] * values) for name, _, value in samples}
