"""Observe: what is known about a task now. Reads only; every later step uses the lake versions named here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa

from tropism.core.experiment import BESIDE
from tropism.feedback.cohorts import LakeVersions
from tropism.feedback.joining import moments
from tropism.loop.climbing import awaiting_approval, rising
from tropism.loop.losses import served
from tropism.loop.watching.watch import FEATURES
from tropism.monitoring.alarm.losses import LOSS
from tropism.monitoring.alarm.reference import PREDICTION
from tropism.monitoring.watch.monitor import opened
from tropism.registry.shadowing import challenge_ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tropism.core.task import Task
    from tropism.loop.services import Services
    from tropism.loop.watching.watch import Watched
    from tropism.registry import Challenge, Registry
    from tropism.registry.experiments import Trial


_FEWEST_FOR_PRIOR = 20


class OpenTest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A comparison under way: a challenger against the champion, or the former champion against the new one.

    `experiment`: the one that it belongs to, and whose end it waits for; empty for those that the loop opened.
    `least`: fewest outcomes that it asks for, if more than the policy does.
    """

    id: str
    kind: str
    challenger: int
    incumbent: int
    opened_at: int
    alpha: float
    experiment: str = ""
    least: int = 0


class Decay(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the champion's loss has risen: `score` from 0 to 1, where 0.8 is an alarm.

    `reference`: mean loss of its first matured predictions; `recent`: of the `rows` made from `since` (µs) on, when
    the evidence began to grow.
    """

    reference: float
    recent: float
    score: float
    rows: int
    since: int


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """A task at one moment.

    `lake`: the states of the lake that were read. `prior`: mean label or
    classes' shares, while there is no champion. `new_labels`: labels learnt since the last training (all of
    them before the first). `trained_at`: when a training last ran, whether or not it
    made a version. `drift_score`, of features and predictions: None where there is too little to compare. `trials`:
    experiments that run; `splits`: those of them in which treatments answer some of its traffic. `rising`: while there
    is no champion, versions that were good enough and wait for their level; `awaiting`: that wait for people's word.
    """

    now: int
    lake: LakeVersions
    champion: int | None
    previous: int | None
    promoted_at: int | None
    trained_at: int | None
    new_labels: int
    matured: int
    tests: tuple[OpenTest, ...] = ()
    prior: tuple[float, ...] = ()
    decay: Decay | None = None
    drift_score: float | None = None
    drift_causes: tuple[str, ...] = ()
    trials: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    rising: tuple[int, ...] = ()
    awaiting: tuple[int, ...] = ()


def observe(services: Services, task: Task) -> Observation:
    """The task's state, after everything acknowledged so far has been moved into the lake."""
    services.ingest()
    now = services.clock.now()
    registry = services.registry
    trainings = registry.decisions.list(task.name, kind="train", limit=1)
    trained_at = trainings[0].at if trainings else None
    live = registry.aliases.live(task.name)
    champion, promoted_at = (live.champion, live.since) if live is not None else (None, None)
    since = None if trained_at is None or promoted_at is None else min(trained_at - task.window, promoted_at)
    cohort = services.cohorts.matured(task, now=now, since=since)
    own = _own(cohort.table, champion, promoted_at)
    running = registry.experiments.all(task.name, "running")
    watched = services.watch.look(task, now)
    drifted = _drift(watched)
    return Observation(
        now=now,
        lake=cohort.lake,
        champion=champion,
        previous=None if live is None else live.previous,
        promoted_at=promoted_at,
        trained_at=trained_at,
        new_labels=_new_labels(task, cohort.table, trained_at),
        matured=own.num_rows,
        tests=_open_tests(registry, task, running),
        prior=_prior(task, cohort.table) if champion is None else (),
        decay=_decay(task, own, watched),
        drift_score=drifted[0],
        drift_causes=drifted[1],
        trials=tuple(sorted(one.name for one in running)),
        splits=tuple(sorted(one.name for one in running if one.spec.mode not in BESIDE)),
        rising=rising(registry, task.name, now) if champion is None else (),
        awaiting=awaiting_approval(registry, task.name) if champion is None else (),
    )


def _open_tests(registry: Registry, task: Task, running: Iterable[Trial]) -> tuple[OpenTest, ...]:
    owners = {made: one for one in running for made in challenge_ids(one.spec, one.started_at).values()}
    return tuple(_open_test(one, owners.get(one.id)) for one in registry.challenges.list_open(task.name))


def _open_test(challenge: Challenge, owner: Trial | None) -> OpenTest:
    return OpenTest(
        id=challenge.id,
        kind=challenge.kind,
        challenger=challenge.challenger,
        incumbent=challenge.incumbent,
        opened_at=challenge.opened_at,
        alpha=challenge.alpha,
        experiment="" if owner is None else owner.name,
        least=0 if owner is None else owner.spec.min_units,
    )


def _own(table: pa.Table, champion: int | None, promoted_at: int | None) -> pa.Table:
    """Rows that the champion itself answered since it became one."""
    if champion is None or promoted_at is None:
        return table.slice(0, 0)
    mine = (table["version"].to_numpy() == champion) & (moments(table, "at") >= promoted_at)
    return table.filter(pa.array(mine))


def _new_labels(task: Task, table: pa.Table, trained_at: int | None) -> int:
    if trained_at is None:
        return int(table.num_rows)
    return int((moments(table, "at") > trained_at - task.window).sum())


def _prior(task: Task, table: pa.Table) -> tuple[float, ...]:
    """Mean label, or the classes' shares; empty while too few labels are known."""
    labels = table["label"].to_numpy()
    if len(labels) < _FEWEST_FOR_PRIOR:
        return ()
    if task.kind == "multiclass":
        counts = np.bincount(labels.astype(np.int64), minlength=len(task.classes)) + 1.0
        return tuple((counts / counts.sum()).tolist())
    return (float(labels.mean()),)


def _decay(task: Task, own: pa.Table, watched: Watched) -> Decay | None:
    if watched.concept is not None:
        said = watched.concept
        if said.alarm is None or said.before is None or said.recent is None:
            return None
        return Decay(reference=said.before, recent=said.recent, score=said.score, rows=said.losses, since=said.alarm)
    monitor = watched.monitors.get(LOSS)
    if monitor is None or not monitor.windows:
        return None
    since = monitor.since[LOSS]
    loss = served(task, own.filter(pa.array(moments(own, "at") >= since)))
    (reference,) = opened(monitor.reference).streams
    counts = np.asarray(reference.counts)
    before = float(counts @ np.asarray(reference.means) / counts.sum())
    recent = float(loss.mean()) if len(loss) else before
    return Decay(reference=before, recent=recent, score=monitor.score, rows=len(loss), since=since)


def _drift(watched: Watched) -> tuple[float | None, tuple[str, ...]]:
    found = [watched.monitors[kind] for kind in (FEATURES, PREDICTION) if kind in watched.monitors]
    if not found:
        return None, ()
    worst = max(found, key=lambda monitor: monitor.score)
    return worst.score, tuple(worst.causes)
