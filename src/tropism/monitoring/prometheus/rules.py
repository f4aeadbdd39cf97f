"""Rules as Prometheus alerting rules.
https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput
from tropism.core.expression_text import parse
from tropism.core.monitoring import effective_rules
from tropism.monitoring.alerts.states import RESOLVE_LEAST
from tropism.monitoring.prometheus.promql import promql
from tropism.monitoring.prometheus.selectors import Source, quoted, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tropism.core.expressions import Condition
    from tropism.core.monitoring import Rule
    from tropism.core.task import Task

_HEAD = """\
# Alerting rules of Tropism's tasks, for Prometheus 2.42 or later.
# An alert ends here, too, when its figures are no longer known; cool-downs and silences are Alertmanager's.
"""
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SCRAPES = 4
"""Scrapes that a period should hold: a rate needs two, and one may be missed."""
LONGEST_SCRAPE = 60 * SECOND
"""Prometheus forgets a sample after five minutes."""


def export(tasks: Sequence[Task], matchers: Mapping[str, str] | None = None) -> str:
    """The rules that hold for tasks as the YAML of a rule file: a group a task, an alert a rule.

    `matchers`: labels that the series must have, such as `{"job": "shop"}`, where one Prometheus scrapes several
    projects. A rule that cannot be written in PromQL is a comment that says why.

    Raises:
        InvalidInput: a name of `matchers` is none that a label can have, or `model`.

    >>> from tropism.core.task import Feature, Task
    >>> task = Task(name="price", kind="regression", target="price", features=(Feature("area"),))
    >>> [line for line in export([task]).splitlines() if "expr" in line and "accuracy" in line]
    ['        expr: \\'max by (model) (ml_model_accuracy{model="price"}) < 0.85\\'']
    """
    _check(matchers or {})
    lines = [line for task in tasks for line in _group(task, matchers or {})]
    return _HEAD + "\n".join(["groups:" if lines else "groups: []", *lines]) + "\n"


def _check(matchers: Mapping[str, str]) -> None:
    faults = [
        Fault("matchers", repr(name), "name a label by letters, digits and '_', such as job=shop; not 'model'")
        for name in matchers
        if not _LABEL.fullmatch(name) or name == "model"
    ]
    if faults:
        raise InvalidInput("a label cannot be used", *faults)


def _group(task: Task, matchers: Mapping[str, str]) -> Iterator[str]:
    period = parse_duration(task.monitoring.period)
    source = Source(task.name, span(period), matchers)
    rules = [line for rule in effective_rules(task.monitoring) for line in _rule(rule, source)]
    scrape = span(min(period // SCRAPES, LONGEST_SCRAPE))
    yield f"  # Scrape every {scrape} or more often: service figures are of {source.period}."
    yield f"  - name: {quoted(f'tropism:{task.name}')}"
    yield "    rules:" if any(not line.lstrip().startswith("#") for line in rules) else "    rules: []"
    yield from rules


def _rule(rule: Rule, source: Source) -> Iterator[str]:
    condition = parse(rule.when)
    expression = promql(condition, source)
    if expression is None:
        told = f"not exported, since it can never be true: {_line(str(condition))}"
        yield f"      # {rule.name}: {told}"
        return
    hold = parse_duration(rule.hold)
    yield f"      - alert: {quoted(f'tropism_{rule.name}')}"
    yield f"        expr: {_single(expression)}"
    if hold:
        yield f"        for: {span(hold)}"
    yield f"        keep_firing_for: {span(max(hold, RESOLVE_LEAST))}"
    yield "        labels:"
    yield f"          model: {quoted(source.model)}"
    yield f"          severity: {quoted(rule.severity)}"
    yield f"          rule: {quoted(rule.name)}"
    if rule.channels:
        yield f"          channels: {_template(','.join(rule.channels))}"
    yield from _annotations(rule, condition, source)


def _annotations(rule: Rule, condition: Condition, source: Source) -> Iterator[str]:
    value = '{{ $value | printf "%.4g" }}'
    yield "        annotations:"
    yield f"          summary: {_template(f'{source.model}: {rule.description or rule.name}')}"
    yield f"          description: {_template(f'{condition}; now at ', value)}"


def _template(text: str, code: str = "") -> str:
    """A text that Prometheus expands, and that comes out as it is; `code` is what it shall expand."""
    return quoted(text.replace("{{", '{{"{{"}}') + code)


def _single(text: str) -> str:
    """In single quotes, where nothing is escaped, so that PromQL can be read; what cannot be seen is escaped in it."""
    return "'" + text.replace("'", "''") + "'"


def _line(text: str) -> str:
    return quoted(text)[1:-1]
