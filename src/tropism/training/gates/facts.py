"""Gates on what is known already: the training set, drift since then, approvals, and time on a level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.durations import format_duration, parse_duration
from tropism.core.governance import ApprovalGate, DataGate, DriftGate, GateResult, TimeGate, gate_name
from tropism.registry.reviews import counted
from tropism.training.gates.context import unassessed

if TYPE_CHECKING:
    from tropism.training.gates.context import GateContext

_HOUR = 3_600_000_000


def data(gate: DataGate, context: GateContext) -> GateResult:
    """Enough rows, not too old, and known by their digest."""
    name, facts = gate_name(gate), context.version.data
    required = f"{gate.rows:,} rows or more, their digest, taken at most {gate.most_age} ago"
    rows, taken = facts.get("rows"), facts.get("now", context.version.created_at)
    if not isinstance(rows, int) or not isinstance(taken, int):
        return unassessed(name, required, "nothing is known of its training set; train it with `tropism train`")
    age = max(context.now - taken, 0)
    faults = []
    if rows < gate.rows:
        faults.append(f"{gate.rows - rows:,} more are asked for")
    if not facts.get("sha256"):
        faults.append("their digest is not known")
    if age > parse_duration(gate.most_age):
        faults.append("they are too old: train again")
    told = f"{rows:,} rows, taken {_span(age)} ago"
    return GateResult(
        name=name,
        passed=not faults,
        measured=float(rows),
        required=required,
        message="; ".join([told, *faults]),
        details={"rows": rows, "age_us": age, "sha256": facts.get("sha256")},
    )


def drift(gate: DriftGate, context: GateContext) -> GateResult:
    """No feature is far from where it was in training."""
    name, required = gate_name(gate), f"no feature moved by more than {gate.most:g}"
    found = None if context.drift is None else context.drift()
    fewest = 0 if found is None else min(found.reference, found.current)
    if found is None or not found.distances or fewest < gate.rows:
        why = f"{gate.rows} rows from before its training and as many after are needed; wait for more predictions"
        return unassessed(name, required, why)
    feature = max(found.distances, key=found.distances.__getitem__)
    most = found.distances[feature]
    passed = most <= gate.most
    message = f"'{feature}' moved furthest, by {most:.3g}, in {found.current:,} rows"
    if not passed:
        message += "; train again on newer rows"
    details = {"distances": found.distances, "reference": found.reference, "current": found.current}
    return GateResult(name=name, passed=passed, measured=most, required=required, message=message, details=details)


def approval(gate: ApprovalGate, context: GateContext) -> GateResult:
    """Enough different people said yes, in the roles that are asked for."""
    found, missing = counted(gate, context.reviews, context.level, context.now)
    roles = f" as {', '.join(gate.roles)}" if gate.roles else ""
    people = ", ".join(f"{one.actor} ({one.role})" if one.role else one.actor for one in found)
    return GateResult(
        name=gate_name(gate),
        passed=not missing,
        measured=float(len(found)),
        required=f"{gate.count} approvals{roles}",
        message=missing or f"approved by {people}",
        details={"reviews": [one.id for one in found]},
    )


def time_on_level(gate: TimeGate, context: GateContext) -> GateResult:
    """Long enough on a level, without a break."""
    name, required = gate_name(gate), f"{gate.least} on '{gate.level}'"
    standing = context.standing
    if standing.level != gate.level:
        message = f"it is on '{standing.level}': move it to '{gate.level}' first"
        return GateResult(name=name, passed=False, measured=0.0, required=required, message=message)
    spent, least = context.now - standing.since, parse_duration(gate.least)
    message = f"{_span(spent)} on '{gate.level}'"
    if spent < least:
        message += f"; wait another {_span(least - spent)}"
    return GateResult(name=name, passed=spent >= least, measured=spent / _HOUR, required=required, message=message)


def _span(length: int) -> str:
    """A length of time (µs) for people, to the minute where it is long."""
    minute = 60_000_000
    return format_duration(length // minute * minute if length >= minute else length)
