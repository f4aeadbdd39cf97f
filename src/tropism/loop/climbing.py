"""Brings a version that won up the levels, as far as its gates allow, and says what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tropism.core.clock import DAY
from tropism.core.durations import format_duration, parse_duration
from tropism.core.errors import Conflict, NotFound, PolicyRefused
from tropism.core.governance import RETIRED, ApprovalGate, TimeGate, gate_name
from tropism.core.identity import derived_id, task_tag
from tropism.loop.gate_jobs import GateOrder, ask_for_gates
from tropism.registry.gate_runs import GateRuns
from tropism.registry.level_policies import LevelPolicies, fingerprint
from tropism.registry.levels import Levels
from tropism.registry.reviews import Reviews, counted

if TYPE_CHECKING:
    from tropism.core.governance import Governance, Level
    from tropism.core.task import Task
    from tropism.loop.services import Services
    from tropism.registry import Decision, NewDecision, Registry
    from tropism.registry.gate_runs import GateRun
    from tropism.registry.levels import Standing

ACTOR = "loop"
AGAIN = DAY
"""Gates that failed are run again after so long: rows may have come since, or the machine was busy."""
_MINUTE = 60_000_000
_MOST = 50


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What a version waits for on its way to `level`, in words. `job`: the run of gates that is to be asked for, or
    was; empty where none would help. `failed`: its gates were run and did not pass."""

    level: str
    reason: str
    job: str = ""
    failed: bool = False


def climb(services: Services, task: Task, version: int, *, now: int) -> str:
    """Moves a version up while its gates have passed, and asks once for a run of those that have not been run.

    What it waits for, in words; empty where it may become the champion, as where nobody wrote a policy.
    """
    registry, levels = services.registry, Levels(services.registry.db)
    policy = LevelPolicies(registry.db).written(task.name)
    while policy is not None:
        at = levels.get(task.name, version)
        found = waits_for(registry, policy, at, now)
        if found is None:
            return ""
        if found.reason:
            if found.job:
                order = GateOrder(model=task.name, version=version, level=found.level, actor=ACTOR)
                ask_for_gates(registry, found.job, order, now=services.real.now())
            return found.reason
        move = derived_id(now, f"climb:{version}:{found.level}:{at.since}", task_tag(task.name))
        told = {"actor": ACTOR, "now": now, "reason": "it won, and its gates passed"}
        try:
            levels.move(move, task.name, version, found.level, expected=at.level, **told)  # type: ignore[arg-type]
        except (Conflict, PolicyRefused) as error:
            return str(error)
    return ""


def hold(services: Services, decision: NewDecision, why: str) -> None:
    """Records a promotion that waits; it takes effect by `Promotion.promote` with the same id."""
    waiting = msgspec.structs.replace(decision, evidence={**decision.evidence, "held": why})
    services.registry.decisions.record(waiting, now=decision.at)


def as_held(registry: Registry, decision: NewDecision) -> NewDecision:
    """The promotion as it was recorded when it was first held back; where it was not, as it is."""
    before = (one.id for one in held(registry, decision.model) if one.version == decision.version)
    return msgspec.structs.replace(decision, id=next(before, decision.id))


def asks_approval(registry: Registry, task: Task) -> bool:
    """Whether a promotion waits for people: by the task's policy, or by that of its levels."""
    policy = LevelPolicies(registry.db).written(task.name)
    return task.policy.approval or (policy is not None and policy.promotion is not None)


def held(registry: Registry, model: str) -> tuple[Decision, ...]:
    """Promotions of a model that the evidence allows and its levels do not yet, the oldest first."""
    found = [one for one in registry.decisions.list(model, _MOST, kind="promote") if "held" in one.evidence]
    found = [one for one in found if one.effect is None and one.version is not None]
    if not found:
        return ()
    first = registry.aliases.get(model, "champion") is None
    wanted = {one.challenger for one in registry.challenges.list_open(model)}
    for trial in registry.experiments.all(model, "running"):
        wanted |= set(trial.versions.values())
    levels = Levels(registry.db)
    return tuple(
        one
        for one in reversed(found)
        if one.version is not None
        and (first or one.version in wanted)
        and registry.versions.get(model, one.version).state == "candidate"
        and levels.get(model, one.version).level != RETIRED
    )


def rising(registry: Registry, model: str, now: int) -> tuple[int, ...]:
    """Versions that won and may still come up the levels; those whose gates did not pass are not among them."""
    policy = LevelPolicies(registry.db).written(model)
    if policy is None:
        return ()
    levels, found = Levels(registry.db), list[int]()
    for one in held(registry, model):
        if one.version is not None and one.version not in found:
            waits = waits_for(registry, policy, levels.get(model, one.version), now)
            found += [one.version] if waits is None or not waits.failed else []
    return tuple(found)


def awaiting_approval(registry: Registry, model: str) -> tuple[int, ...]:
    """Versions that were good enough and wait for people's word, the first asked for first."""
    levels, found = Levels(registry.db), list[int]()
    for one in registry.approvals.open(model):
        candidate = registry.versions.get(model, one.version).state == "candidate"
        if candidate and levels.get(model, one.version).level != RETIRED and one.version not in found:
            found.append(one.version)
    return tuple(found)


def explain(registry: Registry, model: str, version: int, now: int) -> str:
    """What a version that won waits for; empty where nothing holds it back."""
    policy = LevelPolicies(registry.db).written(model)
    found = None if policy is None else waits_for(registry, policy, Levels(registry.db).get(model, version), now)
    return "" if found is None else found.reason or f"its gates of '{found.level}' passed; the loop moves it next"


def waits_for(registry: Registry, policy: Governance, at: Standing, now: int) -> Waiting | None:
    """What a version waits for on its way to the next level, as far as can be told without running anything. Nothing in
    words where that level's gates have passed; None on the highest level."""
    rank = policy.rank(at.level)
    if rank < 0:
        return Waiting(level=at.level, reason=f"it is on '{at.level}': move it to 'none' first")
    if rank == len(policy.levels):
        return None
    level = policy.levels[rank]
    reason = _people_and_time(registry, level, at, now)
    if reason:
        return Waiting(level=level.name, reason=f"'{level.name}': {reason}")
    if not level.gates:
        return Waiting(level=level.name, reason="")
    runs = GateRuns(registry.db).list(at.model, at.version)
    run = next((one for one in runs if one.level == level.name), None)
    if run is None or _outdated(run, policy, level, at, now):
        return _asked(registry, policy, level, at, run)
    if run.passed:
        return Waiting(level=level.name, reason="")
    told = "; ".join(f"{one.name}: {one.message}" for one in run.failed)
    return Waiting(level=level.name, reason=f"'{level.name}': {told}", failed=True)


def _people_and_time(registry: Registry, level: Level, at: Standing, now: int) -> str:
    """What must happen before it is worth running the gates."""
    for gate in level.gates:
        if isinstance(gate, TimeGate):
            left = at.since + parse_duration(gate.least) - now
            if at.level != gate.level:
                return f"it must come from '{gate.level}', and is on '{at.level}'"
            if left > 0:
                return f"{format_duration(-(-left // _MINUTE) * _MINUTE)} more on '{gate.level}'"
        if isinstance(gate, ApprovalGate):
            given = Reviews(registry.db).list(at.model, at.version)
            missing = counted(gate, given, level.name, now)[1]
            if missing:
                return f"{missing} (tropism review {at.model} {at.version} --level {level.name})"
    return ""


def _outdated(run: GateRun, policy: Governance, level: Level, at: Standing, now: int) -> bool:
    """Whether what gates found says nothing of now."""
    age = now - run.at
    if run.policy != fingerprint(policy, level.name) or run.at < at.since or age > parse_duration(policy.results):
        return True
    met = {gate_name(gate) for gate in level.gates if isinstance(gate, TimeGate | ApprovalGate)}
    return not run.passed and (age > AGAIN or {one.name for one in run.failed} <= met)


def _asked(registry: Registry, policy: Governance, level: Level, at: Standing, run: GateRun | None) -> Waiting:
    """A run of the gates, asked for once: the same state of things gives the same job."""
    state = f"gates:{at.version}:{level.name}:{fingerprint(policy, level.name)}:{'' if run is None else run.id}"
    key = derived_id(at.since, state, task_tag(at.model))
    try:
        job = registry.jobs.get(key)
    except NotFound:
        job = None
    by_hand = f"run them: tropism gates {at.model} {at.version} --level {level.name}"
    if job is None or job.status in ("queued", "running"):
        return Waiting(level=level.name, reason=f"the gates of '{level.name}' are being run", job=key)
    if job.status == "cancelled":
        return Waiting(level=level.name, reason=f"the run of the gates of '{level.name}' was cancelled; {by_hand}")
    why = (job.error or {}).get("message", "it left nothing")
    return Waiting(level=level.name, reason=f"the gates of '{level.name}' could not be run: {why}; {by_hand}")
