"""What is wrong with a policy of levels and gates: above all, what no model could ever pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import one_of
from tropism.core.governance import (
    DELETED,
    GROUP,
    KINDS,
    MEASURED,
    MOST_ROWS,
    NONE,
    RETIRED,
    UPWARD,
    ApprovalGate,
    ChampionGate,
    DataGate,
    DriftGate,
    FairnessGate,
    Gate,
    Governance,
    LatencyGate,
    LoadGate,
    MetricGate,
    OwnGate,
    RobustnessGate,
    TimeGate,
)
from tropism.core.governance_waits import age_faults, unfilled
from tropism.core.identity import person
from tropism.core.misfits import misfit
from tropism.core.plugins import names

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = "abcdefghijklmnopqrstuvwxyz0123456789_-"
_MOST_SECONDS = 600
_MOST_CALLS = 1_000_000
_MOST_THREADS = 64
_LEAST_MS = 0.001
_MOST_PER_SECOND = 1_000_000


class _Feature(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...


class Ruled(Protocol):
    """What a policy must fit: a task."""

    @property
    def kind(self) -> str: ...
    @property
    def metric_name(self) -> str: ...
    @property
    def features(self) -> Sequence[_Feature]: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def views(self) -> tuple[str, ...]: ...


def read_governance(data: Any, task: Ruled) -> Governance:
    """A policy from plain values, as JSON gives them.

    Raises:
        InvalidInput: it is not one, or no model could pass it; a fault for each field.

    >>> from tropism.core.task import Feature, Task
    >>> task = Task(name="t", kind="binary", target="y", features=(Feature("a"),))
    >>> read_governance({"levels": [{"name": "live", "gates": [{"gate": "latency", "most_ms": 0}]}]}, task)
    Traceback (most recent call last):
    tropism.core.errors.InvalidInput: this policy is not valid
      levels.live.latency.most_ms: got 0.0; use 0.001 or more: no prediction takes less than a microsecond
    """
    try:
        made = msgspec.convert(data, Governance)
    except msgspec.ValidationError as error:
        raise InvalidInput("this policy is not valid", _unreadable(error, data)) from error
    return checked(made, task)


def checked(governance: Governance, task: Ruled) -> Governance:
    """The policy itself. Raises: InvalidInput: no model of the task could pass it; a fault for each field."""
    faults = governance_faults(governance, task)
    if faults:
        raise InvalidInput("this policy is not valid", *faults)
    return governance


def governance_faults(governance: Governance, task: Ruled, *, installed: bool = True) -> list[Fault]:
    """Everything that is wrong with a policy for a task; empty when nothing is. `installed`: whether gates of one's own
    must be there on this machine."""
    faults = [*_level_faults(governance), *_role_faults(governance)]
    for field in ("reviews", "results"):
        faults += _duration_faults(field, getattr(governance, field), positive=True)
    if governance.promotion is not None:
        faults += _approval_faults(governance.promotion, "promotion", governance)
    for place, level in enumerate(governance.levels):
        below = [one.name for one in governance.levels[:place]]
        for gate in level.gates:
            if isinstance(gate, OwnGate) and not installed:
                continue
            field = f"levels.{level.name}.{type(gate).__struct_config__.tag}"
            faults += _gate_faults(gate, field, task, governance, below)
    return faults or age_faults(governance.levels)


def _unreadable(error: msgspec.ValidationError, data: Any) -> Fault:
    fault = misfit(error, data, Governance, "policy")
    if not fault.field.endswith(".gate"):
        return fault
    return Fault(fault.field, fault.value, f"use one of: {', '.join(KINDS)}")


def _level_faults(governance: Governance) -> list[Fault]:
    found = [level.name for level in governance.levels]
    faults = [] if found else [Fault("levels", "none", "name at least one")]
    for name in found:
        field = f"levels.{name[:60]}"
        if not 0 < len(name) <= 64 or set(name) - set(_NAME):
            faults.append(Fault(field, repr(name[:60]), "use 1 to 64 of a-z, 0-9, '-' and '_'"))
        elif name in (NONE, RETIRED, DELETED):
            faults.append(Fault(field, repr(name), "use another name; this level is always there"))
    for name in sorted({name for name in found if found.count(name) > 1}):
        faults.append(Fault(f"levels.{name}", f"{found.count(name)} times", "name each level once"))
    return faults


def _role_faults(governance: Governance) -> list[Fault]:
    fix = "name its people, or none where anybody may act in it"
    empty = (role for role, people in governance.roles.items() if any(not one.strip() for one in people))
    return [Fault(f"roles.{role[:60]}", "a person without a name", fix) for role in empty]


def _gate_faults(gate: Gate, field: str, task: Ruled, governance: Governance, below: list[str]) -> list[Fault]:
    if isinstance(gate, MetricGate):
        return _metric_faults(gate, field, task)
    if isinstance(gate, TimeGate):
        faults = _duration_faults(f"{field}.least", gate.least)
        if gate.level not in below:
            fix = f"name a level below: {', '.join(below)}" if below else "leave this gate out of the lowest level"
            faults.append(Fault(f"{field}.level", repr(gate.level), f"{fix}; no version could have been on this one"))
        return faults
    if isinstance(gate, ApprovalGate):
        return _approval_faults(gate, field, governance)
    if isinstance(gate, FairnessGate):
        return _fairness_faults(gate, field, task)
    if isinstance(gate, OwnGate):
        known = names(GROUP)
        fix = one_of(gate.name, known, "gates", f"install a package that registers it under {GROUP!r}")
        return [] if gate.name in known else [Fault(f"{field}.name", repr(gate.name[:60]), fix)]
    if isinstance(gate, DataGate):
        faults = _duration_faults(f"{field}.most_age", gate.most_age, positive=True)
        return faults + ([] if gate.rows >= 1 else [Fault(f"{field}.rows", str(gate.rows), "use at least 1")])
    return _figure_faults(gate, field)


def _figure_faults(gate: Gate, field: str) -> list[Fault]:
    """Of gates that ask for numbers only."""
    faults = []
    if isinstance(gate, LatencyGate | LoadGate) and not _LEAST_MS <= gate.most_ms < math.inf:
        fix = f"use {_LEAST_MS:g} or more: no prediction takes less than a microsecond"
        faults.append(Fault(f"{field}.most_ms", str(gate.most_ms), fix))
    if isinstance(gate, LatencyGate):
        if not 0 < gate.quantile < 1:
            faults.append(Fault(f"{field}.quantile", str(gate.quantile), "use a number between 0 and 1, such as 0.99"))
        if not 100 <= gate.calls <= _MOST_CALLS:
            faults.append(Fault(f"{field}.calls", str(gate.calls), f"use 100 to {_MOST_CALLS:,}"))
    if isinstance(gate, LoadGate):
        if not 0 < gate.seconds <= _MOST_SECONDS:
            faults.append(Fault(f"{field}.seconds", str(gate.seconds), f"use more than 0, at most {_MOST_SECONDS}"))
        if not 1 <= gate.threads <= _MOST_THREADS:
            faults.append(Fault(f"{field}.threads", str(gate.threads), f"use 1 to {_MOST_THREADS}"))
        if not 0 <= gate.least_per_second <= _MOST_PER_SECOND:
            fix = f"use 0 to {_MOST_PER_SECOND:,}: one process does no more"
            faults.append(Fault(f"{field}.least_per_second", str(gate.least_per_second), fix))
    if isinstance(gate, RobustnessGate):
        faults += _above_zero(f"{field}.noise", gate.noise, "without noise nothing is tried")
        faults += _above_zero(f"{field}.most_change", gate.most_change, "noise always moves a score that uses numbers")
    if isinstance(gate, DriftGate):
        faults += _above_zero(f"{field}.most", gate.most, "two samples are never exactly alike")
    if isinstance(gate, ChampionGate) and not 0 <= gate.margin < math.inf:
        faults.append(Fault(f"{field}.margin", str(gate.margin), "use 0 or a positive number"))
    if isinstance(gate, ChampionGate | DriftGate):
        faults += _rows(field, gate.rows)
    return faults


def _metric_faults(gate: MetricGate, field: str, task: Ruled) -> list[Fault]:
    metric, known = gate.metric or task.metric_name, MEASURED[task.kind]
    if metric not in known:
        return [Fault(f"{field}.metric", repr(metric[:60]), f"a {task.kind} task has: {', '.join(known)}")]
    faults = _rows(field, gate.rows)
    wrong, right = ("most", "least") if metric in UPWARD else ("least", "most")
    if getattr(gate, wrong) is not None:
        better = "more" if metric in UPWARD else "less"
        fix = f"use {right!r}: of {metric} {better} is better"
        faults.append(Fault(f"{field}.{wrong}", str(getattr(gate, wrong)), fix))
    if gate.least is not None and metric in UPWARD and not gate.least <= 1:
        faults.append(Fault(f"{field}.least", str(gate.least), f"use at most 1: no model has more {metric}"))
    if gate.most is not None and metric not in UPWARD and not gate.most > 0:
        faults.append(Fault(f"{field}.most", str(gate.most), f"use more than 0: no model has a {metric} below that"))
    if gate.least is None and gate.most is None and not gate.baseline:
        faults.append(Fault(f"{field}.{right}", "", "give a bound, or compare with the baseline: this asks nothing"))
    return faults


def _approval_faults(gate: ApprovalGate, field: str, governance: Governance) -> list[Fault]:
    least = max(len(set(gate.roles)), 1)
    if gate.count < least:
        return [Fault(f"{field}.count", str(gate.count), f"use at least {least}")]
    unknown = [role for role in gate.roles if role not in governance.roles]
    known = ", ".join(governance.roles) or "none is declared; add some to 'roles'"
    faults = [Fault(f"{field}.roles", repr(role[:60]), f"use roles of this policy: {known}") for role in unknown]
    people = [governance.roles.get(role, ()) for role in gate.roles]
    having = {person(one) for group in people for one in group}
    if gate.roles and all(people) and len(having) < gate.count:
        fix = f"use at most {len(having)}, the people of these roles, or add people to them"
        faults.append(Fault(f"{field}.count", str(gate.count), fix))
    elif not faults:
        faults += unfilled(field, {role: governance.roles[role] for role in gate.roles})
    return faults


def _fairness_faults(gate: FairnessGate, field: str, task: Ruled) -> list[Fault]:
    if task.kind == "regression":
        return [Fault(field, "regression", "leave it out: numbers have no positive class")]
    faults = [*_above_zero(f"{field}.most", gate.most, "two groups are never exactly alike"), *_rows(field, gate.rows)]
    if not gate.attributes:
        faults.append(Fault(f"{field}.attributes", "none", "name the features that make the groups"))
    types = {feature.name: feature.type for feature in task.features}
    for name in gate.attributes:
        if name not in types and task.views:
            continue  # it may come from a view, and is known when the project is applied
        if name not in types:
            fix = one_of(name, types, "features", "declare it as a feature")
            faults.append(Fault(f"{field}.attributes", repr(name[:60]), fix))
        elif types[name] == "number":
            faults.append(Fault(f"{field}.attributes", f"{name!r}, a number", "name a category or a boolean"))
    if task.kind == "multiclass" and gate.positive not in task.classes:
        fix = f"use one of: {', '.join(task.classes)}"
        faults.append(Fault(f"{field}.positive", repr(gate.positive[:60]), fix))
    if task.kind == "binary" and gate.positive:
        faults.append(Fault(f"{field}.positive", repr(gate.positive[:60]), "leave it out for a binary task"))
    return faults


def _rows(field: str, rows: int) -> list[Fault]:
    fix = f"use 2 to {MOST_ROWS:,}: gates look at the newest {MOST_ROWS:,} rows"
    return [] if 2 <= rows <= MOST_ROWS else [Fault(f"{field}.rows", str(rows), fix)]


def _above_zero(field: str, value: float, why: str) -> list[Fault]:
    return [] if 0 < value < math.inf else [Fault(field, str(value), f"use more than 0: {why}")]


def _duration_faults(field: str, text: str, *, positive: bool = False) -> list[Fault]:
    try:
        length = parse_duration(text, field)
    except InvalidInput as error:
        return list(error.faults)
    return [Fault(field, repr(text), "use more than no time")] if positive and not length else []
