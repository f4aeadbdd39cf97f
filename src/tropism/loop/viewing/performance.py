"""How a task's predictions fared: per window of time and version, beside the baseline, and whether it got worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.events import PINNED
from tropism.evaluation.metrics import losses
from tropism.evaluation.references import reference_scores
from tropism.feedback.joining import distinct_predictions, moments
from tropism.feedback.schemas import PREDICTIONS, predictions_name
from tropism.loop.losses import served
from tropism.monitoring.alarm.losses import LOSS
from tropism.monitoring.tracking import Performance, track
from tropism.monitoring.watch.monitor import opened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tropism.core.task import Kind, Task
    from tropism.loop.viewing.sources import Sources
    from tropism.loop.watching.watch import Watched

    Floats = NDArray[np.float64]

COLUMNS = ("at", "version", "scores", "label", "label_at", "answered")
_MADE = ("id", "at", "version", "variant", "writer", "seq")


class LossLevel(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the champion's loss rose above that of its first matured predictions, `reference` on average.

    `score`: 0 to 1, an alarm from 0.8 on. `alarm`: since when (µs) an alarm is on. `recent`: mean loss of the `rows`
    made from `since` (µs) on, when the evidence last began to grow. `run_length`: windows between two false alarms, at
    least, on average.
    """

    score: float
    reference: float
    recent: float | None
    rows: int
    since: int
    alarm: int | None
    alarms: int
    run_length: float


class PerformanceView(msgspec.Struct, frozen=True, kw_only=True):
    """Matured predictions from `since` to `until` (µs): those whose outcome window has closed.

    `version`: the champion, at work since `promoted_at`. `baseline`: the better one of the baselines. `rows`: labelled
    predictions that have scores; `imported`: labelled rows that nobody scored. `overall`: all of them; `versions`:
    each version's; `windows`: of time, all versions and each of them. `waiting`: what is still missing, if anything.
    """

    task: str
    kind: Kind
    metric: str
    version: int | None
    promoted_at: int | None
    since: int | None
    until: int
    baseline: str | None = None
    rows: int = 0
    imported: int = 0
    overall: Performance | None = None
    versions: tuple[Performance, ...] = ()
    windows: tuple[Performance, ...] = ()
    decay: LossLevel | None = None
    waiting: str = ""


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """Labelled predictions that have scores, in time order, the better baseline's answers to them (n, k), its name,
    and every prediction of the time. `imported`: labelled rows without scores."""

    table: pa.Table
    baseline: str | None
    baseline_scores: Floats | None
    predicted: pa.Table
    imported: int


def performance(sources: Sources, name: str, *, since: int | None = None, bins: int = 20) -> PerformanceView:
    """How predictions made from `since` (µs; all by default) on fared, in `bins` windows of equal length.

    Raises:
        UnknownTask: there is none of that name.
        InvalidInput: there are no bins.
    """
    task, now = sources.task(name), sources.clock.now()
    live = sources.registry.aliases.live(name)
    seen = labelled(sources, task, now, since)
    told = tuple(track(task, seen.table, seen.baseline_scores, bins, predicted=seen.predicted))
    whole = track(task, seen.table, seen.baseline_scores, 1, predicted=seen.predicted)
    return PerformanceView(
        task=name,
        kind=task.kind,
        metric=task.metric_name,
        version=None if live is None else live.champion,
        promoted_at=None if live is None else live.since,
        since=since,
        until=now - task.window,
        baseline=seen.baseline,
        rows=seen.table.num_rows,
        imported=seen.imported,
        overall=whole[0] if whole else None,
        versions=tuple(whole[1:]),
        windows=told,
        decay=_decay(task, seen.table, sources.watch.known(task)),
        waiting=_waiting(task, seen),
    )


def labelled(sources: Sources, task: Task, now: int, since: int | None) -> Labelled:
    """Matured predictions from `since` (µs) on. The baselines also learn from the labels of as long a time before."""
    begun = None if since is None else max(since - max(now - since, task.window), 0)
    table = sources.cohorts.matured(task, now=now, since=begun, columns=COLUMNS).table
    at = moments(table, "at")
    shown = at >= (0 if since is None else since)
    scored = pc.greater(pc.fill_null(pc.list_value_length(table["scores"]), 0), 0).to_numpy()
    baseline, scores = _baseline(task, table, at, shown & scored)
    return Labelled(
        table=table.filter(pa.array(shown & scored)),
        baseline=baseline,
        baseline_scores=scores,
        predicted=_predicted(sources, task, since, now - task.window + 1),
        imported=int((shown & ~scored).sum()),
    )


def _baseline(
    task: Task, table: pa.Table, at: NDArray[np.int64], shown: NDArray[np.bool_]
) -> tuple[str | None, Floats | None]:
    """The baseline with the lowest mean loss on the rows shown, and its answers to them."""
    if not shown.any():
        return None, None
    labels = table["label"].to_numpy()
    found = reference_scores(task, labels, at, moments(table, "label_at"))
    means = {rule: losses(task.metric_name, labels[shown], made[shown]).mean() for rule, made in found.items()}
    best = min(means, key=lambda rule: float(means[rule]))
    return best, found[best][shown]


def _predicted(sources: Sources, task: Task, since: int | None, until: int) -> pa.Table:
    """Every prediction of the time that a model or a baseline was asked for."""
    schema = pa.schema([field for field in PREDICTIONS if field.name in _MADE])
    table = sources.lake.read(predictions_name(task.name), schema=schema, since=since, until=until)
    without = pc.is_in(table["variant"], value_set=pa.array([PINNED, "import"]))
    return distinct_predictions(table.filter(pc.invert(without)))


def _decay(task: Task, table: pa.Table, watched: Watched) -> LossLevel | None:
    monitor = watched.monitors.get(LOSS)
    if monitor is None:
        return None
    (reference,) = opened(monitor.reference).streams
    counts = np.asarray(reference.counts)
    since = monitor.since.get(LOSS, monitor.started)
    recent = (table["version"].to_numpy() == watched.version) & (moments(table, "at") >= since)
    loss = served(task, table.filter(pa.array(recent)))
    return LossLevel(
        score=monitor.score,
        reference=float(counts @ np.asarray(reference.means) / counts.sum()),
        recent=float(loss.mean()) if len(loss) else None,
        rows=len(loss),
        since=since,
        alarm=monitor.alarm,
        alarms=monitor.alarms,
        run_length=monitor.run_length,
    )


def _waiting(task: Task, seen: Labelled) -> str:
    if seen.table.num_rows:
        return ""
    if seen.predicted.num_rows:
        return f"none of the {seen.predicted.num_rows:,} predictions that have matured got an outcome yet"
    if seen.imported:
        return f"{seen.imported:,} imported rows have labels, but no model was asked about them"
    return f"no prediction has matured yet; one does {task.outcome_window} after it was made"
