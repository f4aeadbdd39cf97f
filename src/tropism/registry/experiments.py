"""Experiments on live traffic: declared, started, grown step by step, ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import select

from tropism.core.bandit import MOST_CONTEXT
from tropism.core.durations import format_duration, parse_duration
from tropism.core.errors import Conflict, Fault, InvalidInput, NotFound
from tropism.core.experiment import BESIDE, Experiment, Ramp
from tropism.core.metric import misfits
from tropism.core.targeting_fit import untargetable
from tropism.registry import generation
from tropism.registry.aliases import CHAMPION, pointers
from tropism.registry.audit import append
from tropism.registry.records import record
from tropism.registry.shadowing import close_challenges, open_challenges
from tropism.registry.signature import signature_faults
from tropism.registry.tasks import require_task
from tropism.registry.versions import require_version
from tropism.storage.tables.experiments_schema import experiments

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tropism.core.task import Task
    from tropism.storage.tables import Database

Ending = Literal["promoted", "kept", "harm", "stopped", "superseded"]
_STARTED = ("canary", "ab", "shadow", "mirrored", "bandit")
"""Modes that can be started."""
_OTHERS = ("canary", "bandit")
"""Modes in which a treatment is another version than the champion; `registry.shadowing` checks those beside."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment and how far it is. `versions`: of the model, by variant, from its start on; without treatments
    that were taken out.

    `step`: place in the ramp. `ending`: how it ended: its treatment was promoted, the control was kept, the treatment
    did harm, somebody stopped it, or another champion came. Times are in µs.
    """

    name: str
    task: str
    spec: Experiment
    versions: dict[str, int]
    status: Literal["draft", "running", "ended"]
    step: int
    created_at: int
    started_at: int | None
    stepped_at: int | None
    ended_at: int | None
    ending: Ending | None
    reason: str | None
    decision_id: str | None

    @property
    def share(self) -> float:
        """How far the ramp is: the share of the units that take part."""
        return self.spec.steps[self.step]


class Experiments:
    """Experiments of all tasks. Every change is one transaction with its audit row."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def put(self, spec: Experiment, *, actor: str, now: int) -> Trial:
        """Declares an experiment, or changes one that has not started; the same again changes nothing.

        Raises:
            Conflict: one of that name has started, and is another one.
            InvalidInput: the task has no such metric, or no feature that the targeting asks for.
            UnknownTask: there is no such task.
        """
        with self._db.exclusive() as connection:
            _require_fit(spec, require_task(connection, spec.task))
            stored = _find(connection, spec.name)
            if stored is not None and stored.spec == spec:
                return stored
            if stored is not None and stored.status != "draft":
                fault = Fault("name", repr(spec.name), "give the new one a name of its own")
                raise Conflict(f"experiment '{spec.name}' has started, so it stays as it is", fault)
            values = {"task": spec.task, "spec": msgspec.to_builtins(spec), "versions": {}, "status": "draft"}
            if stored is None:
                values |= {"name": spec.name, "step": 0, "created_at": now}
                connection.execute(experiments.insert(), values)
            else:
                connection.execute(experiments.update().where(experiments.c.name == spec.name).values(**values))
            action = "experiment.declared" if stored is None else "experiment.changed"
            detail = {"mode": spec.mode, "variants": [one.name for one in spec.variants]}
            append(connection, at=now, actor=actor, action=action, subject=spec.name, detail=detail)
            return _require(connection, spec.name)

    def start(self, name: str, *, actor: str, now: int) -> Trial:
        """Lets its first step in; one that runs already goes on as it is. Where treatments answer nobody, a challenge
        of each against the champion is opened with it.

        Raises:
            NotFound: there is no such experiment.
            Conflict: it has ended; its mode is none that can be started; its task has no champion; a version does not
                fit the task or is in quarantine; its ramp takes longer than it may; another one that runs may share
                its units; or a treatment is the champion itself, but in an A/B test.
            UnknownVersion: there is no such version.
        """
        with self._db.exclusive() as connection:
            trial = _require(connection, name)
            if trial.status == "running":
                return trial
            if trial.status == "ended":
                fault = Fault("name", repr(name), "declare it anew under another name")
                raise Conflict(f"experiment '{name}' has ended", fault)
            if trial.spec.mode not in _STARTED:
                fix = f"use one of: {', '.join(_STARTED)}"
                raise Conflict(f"a '{trial.spec.mode}' cannot be started", Fault("mode", trial.spec.mode, fix))
            versions = _versions(connection, trial.spec)
            _require_time(trial.spec, require_task(connection, trial.task))
            _require_context(trial.spec, require_task(connection, trial.task))
            _require_room(connection, trial.spec)
            open_challenges(connection, trial.spec, versions, now=now, actor=actor)
            changed = {"status": "running", "versions": versions, "step": 0, "started_at": now, "stepped_at": now}
            return _change(connection, trial, changed, "experiment.started", {"versions": versions}, actor, now)

    def advance(self, name: str, step: int, *, actor: str, now: int, evidence: str = "") -> Trial:
        """Takes the next step of the ramp, if it still is at `step`; `evidence`: the decision that allows it.

        Raises:
            NotFound: there is no such experiment.
            Conflict: it does not run, is at another step, or at the last one.
        """
        with self._db.exclusive() as connection:
            trial = require_running(connection, name)
            if trial.step == step + 1:
                return trial
            if trial.step != step or step + 1 >= len(trial.spec.steps):
                fault = Fault("step", str(step), f"it is at {trial.step} of {len(trial.spec.steps) - 1}")
                raise Conflict(f"experiment '{name}' does not go on from step {step}", fault)
            detail = {"step": step + 1, "share": trial.spec.steps[step + 1], "decision": evidence}
            changed = {"step": step + 1, "stepped_at": now}
            return _change(connection, trial, changed, "experiment.advanced", detail, actor, now)

    def drop(self, name: str, variant: str, *, actor: str, now: int, reason: str = "") -> Trial:
        """Takes a treatment out while others go on; one that is out already changes nothing.

        Raises:
            NotFound: there is no such experiment.
            Conflict: it does not run.
        """
        with self._db.exclusive() as connection:
            trial = require_running(connection, name)
            if variant not in trial.versions:
                return trial
            left = {one: version for one, version in trial.versions.items() if one != variant}
            detail = {"variant": variant, "version": trial.versions[variant], "reason": reason}
            return _change(connection, trial, {"versions": left}, "experiment.dropped", detail, actor, now)

    def end(
        self, name: str, ending: Ending, *, actor: str, now: int, reason: str = "", decision_id: str | None = None
    ) -> Trial:
        """Ends it: from now on the control answers everybody, or whatever was promoted. Challenges of it that are open
        are closed. Ending it again so is the same.

        Raises:
            NotFound: there is no such experiment.
            Conflict: it never ran, or ended otherwise.
        """
        with self._db.exclusive() as connection:
            trial = _require(connection, name)
            if trial.status == "ended" and trial.ending == ending:
                return trial
            trial = require_running(connection, name)
            won = pointers(connection, trial.task).get(CHAMPION) if ending == "promoted" else None
            close_challenges(connection, trial.spec, trial.started_at, won=won, now=now, actor=actor)
            changed = {"status": "ended", "ended_at": now, "ending": ending, "reason": reason}
            detail = {"ending": ending, "reason": reason, "decision": decision_id}
            changed |= {"decision_id": decision_id}
            return _change(connection, trial, changed, "experiment.ended", detail, actor, now)

    def get(self, name: str) -> Trial:
        """Raises: NotFound: there is no such experiment."""
        with self._db.read() as connection:
            return _require(connection, name)

    def all(self, task: str | None = None, status: str | None = None) -> tuple[Trial, ...]:
        """Experiments, the newest first."""
        query = select(experiments).order_by(experiments.c.created_at.desc(), experiments.c.name)
        if task is not None:
            query = query.where(experiments.c.task == task)
        if status is not None:
            query = query.where(experiments.c.status == status)
        with self._db.read() as connection:
            return tuple(record(Trial, row) for row in connection.execute(query))


def _versions(connection: Connection, spec: Experiment) -> dict[str, int]:
    """What answers for each variant, checked."""
    champion = pointers(connection, spec.task).get(CHAMPION)
    if champion is None:
        fault = Fault("task", repr(spec.task), "train and promote a first version: `tropism train`")
        raise Conflict(f"'{spec.task}' has no champion to compare with", fault)
    found = {one.name: champion if one.version is None else one.version for one in spec.variants}
    task, faults = require_task(connection, spec.task), []
    for variant, number in found.items():
        version = require_version(connection, spec.task, number)
        if version.state == "quarantined":
            faults.append(Fault(f"variants.{variant}", str(number), "it is in quarantine; name another version"))
        faults += signature_faults(version.signature, task)
        if number == champion and variant != spec.control.name and spec.mode in _OTHERS:
            fix = f"name another version than {champion}, the champion, which it could not replace; or use mode 'ab'"
            faults.append(Fault(f"variants.{variant}", str(number), fix))
    if found[spec.control.name] != champion:
        fix = f"leave the control's version out, or name {champion}, the champion"
        faults.append(Fault(f"variants.{spec.control.name}", str(found[spec.control.name]), fix))
    if faults:
        raise Conflict(f"experiment '{spec.name}' cannot start", *faults)
    return found


def _require_fit(spec: Experiment, task: Task) -> None:
    """Every metric is one that the task's outcomes can have, and the targeting one that its requests can have."""
    faults = [fault for metric in spec.metrics for fault in misfits(metric, task, f"metrics.{metric.name}")]
    if faults:
        raise InvalidInput(f"experiment '{spec.name}' has a metric that does not fit the task '{task.name}'", *faults)
    faults = untargetable(spec.targeting, task)
    if faults:
        raise InvalidInput(f"the targeting of experiment '{spec.name}' does not fit the task '{task.name}'", *faults)


def _require_time(spec: Experiment, task: Task) -> None:
    """Each step of a ramp waits until what was predicted at it has matured."""
    growing = len(spec.steps) - (2 if spec.mode == "canary" and spec.steps[-1] >= 1 else 1)
    hold = parse_duration((spec.ramp or Ramp()).hold)
    needed = growing * (hold + task.window) - task.window
    if growing > 0 and needed >= parse_duration(spec.max_duration):
        wait = f"each waits {task.outcome_window} for outcomes"
        fix = f"give it more than {format_duration(needed)}, or fewer steps: {wait}"
        fault = Fault("max_duration", repr(spec.max_duration), fix)
        raise Conflict(f"the ramp of '{spec.name}' would not come to its end", fault)


def _require_context(spec: Experiment, task: Task) -> None:
    """A contextual bandit reads features that the task has."""
    if spec.mode != "bandit" or not spec.shared_by.contextual:
        return
    missing = [name for name in spec.shared_by.features if name not in task.feature_names]
    if missing or not task.features:
        known = ", ".join(task.feature_names) or "none"
        value = ", ".join(missing) or f"'{spec.shared_by.policy}' reads them"
        fix = f"use some of: {known}" if task.features else "use the policy 'thompson': the task has no features"
        fault = Fault("bandit.features" if missing else "bandit.policy", value, fix)
        raise Conflict(f"the contexts of '{spec.name}' cannot be made", fault)
    if not spec.shared_by.features and len(task.features) > MOST_CONTEXT:
        fault = Fault("bandit.features", f"{len(task.features)} of the task", f"name at most {MOST_CONTEXT} of them")
        raise Conflict(f"the contexts of '{spec.name}' would be too long", fault)


def _require_room(connection: Connection, spec: Experiment) -> None:
    """Two experiments of a task that split units may run beside each other where they cannot share one."""
    if spec.mode in BESIDE:
        return
    same = (experiments.c.task == spec.task) & (experiments.c.status == "running")
    for row in connection.execute(select(experiments).where(same)):
        other = record(Trial, row).spec
        if other.mode in BESIDE:
            continue
        mine, theirs = spec.namespace, other.namespace
        apart = mine is not None and theirs is not None and mine.name == theirs.name
        if not (apart and mine and theirs and (mine.end <= theirs.start or theirs.end <= mine.start)):
            fix = f"wait until it ends, stop it (`tropism experiments stop {other.name}`), or give both a namespace"
            raise Conflict(f"'{other.name}' runs on '{spec.task}' already", Fault("task", repr(spec.task), fix))


def _change(
    connection: Connection,
    trial: Trial,
    values: dict[str, Any],
    action: str,
    detail: dict[str, Any],
    actor: str,
    now: int,
) -> Trial:
    connection.execute(experiments.update().where(experiments.c.name == trial.name).values(**values))
    moved = generation.advance(connection, now)
    detail = {"task": trial.task, "generation": moved, **detail}
    append(connection, at=now, actor=actor, action=action, subject=trial.name, detail=detail)
    return _require(connection, trial.name)


def _find(connection: Connection, name: str) -> Trial | None:
    row = connection.execute(select(experiments).where(experiments.c.name == name)).first()
    return None if row is None else record(Trial, row)


def _require(connection: Connection, name: str) -> Trial:
    found = _find(connection, name)
    if found is None:
        fix = "list them with `tropism experiments`"
        raise NotFound(f"there is no experiment '{name[:100]}'", Fault("name", repr(name[:100]), fix))
    return found


def require_running(connection: Connection, name: str) -> Trial:
    """Raises: NotFound: there is no such experiment. Conflict: it does not run."""
    trial = _require(connection, name)
    if trial.status != "running":
        said = "has ended" if trial.status == "ended" else "has not started"
        fix = "declare it anew under another name" if trial.status == "ended" else f"`tropism experiments start {name}`"
        raise Conflict(f"experiment '{name}' {said}", Fault("name", repr(name), fix))
    return trial
