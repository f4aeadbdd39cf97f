"""Performance of matured predictions over time: per window and version, beside the baseline, with label coverage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tropism.core.clock import SECOND
from tropism.core.errors import Fault, InvalidInput
from tropism.core.task import Task
from tropism.monitoring.edges import edges
from tropism.monitoring.figures import Figure, figures, mean_loss

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Bools = NDArray[np.bool_]
FACTS = (
    *("accuracy", "precision", "recall", "f1", "auc", "loss", "baseline_loss", "mae", "rmse", "mape"),
    *("label_coverage", "label_delay"),
)
"""The metrics that `current` gives, by the names that rules have for them."""
LEAST = 100


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """How predictions made from `start` until before `end` (µs since the epoch) fared.

    `version`: of the model that made them; None for all together. `rows`: those with a usable label and score.
    `metrics`: by name, as `figures` has them. `baseline`: the same of the baseline's answers to those rows. `coverage`:
    share of the predictions that an outcome came for; None where the predictions were not given. `delay`,
    `delay_p90`: seconds from a prediction to its outcome, median and 90% point; None without outcomes.
    """

    start: int
    end: int
    version: int | None
    rows: int
    metrics: dict[str, Figure]
    baseline: dict[str, Figure]
    coverage: float | None = None
    delay: float | None = None
    delay_p90: float | None = None


class _Rows(NamedTuple):
    """Predictions in time order. `usable`: with a label and scores that fit the task. `delay`: s, NaN if assumed."""

    at: Times
    version: Times
    labels: Floats
    scores: Floats
    usable: Bools
    baseline: Floats
    delay: Floats

    def where(self, rows: Bools | slice | Times) -> _Rows:
        at, version, labels, scores, usable, baseline, delay = self
        return _Rows(at[rows], version[rows], labels[rows], scores[rows], usable[rows], baseline[rows], delay[rows])


class _Made(NamedTuple):
    """Every prediction, labelled or not, in time order."""

    at: Times
    version: Times


def track(
    task: Task,
    table: pa.Table,
    baseline_scores: Floats | None,
    bins: int | Sequence[int] = 20,
    *,
    predicted: pa.Table | None = None,
) -> list[Performance]:
    """Performance in windows of time: of all predictions, then of each version where there are several.

    Args:
        table: labelled predictions as `Cohorts` gives them: `at`, `version`, `scores`, `label`, `label_at`,
            `answered`. Rows whose label or scores do not fit the task are left out of the metrics.
        baseline_scores: the baseline's answers to the rows of `table`, shape (n, k); NaN where it had none.
        bins: number of windows of equal length, or their edges in µs.
        predicted: every prediction of that time, labelled or not: `at` and `version`. Coverage needs it.

    A window with no predictions is left out.

    Raises:
        InvalidInput: there are no bins, or the baseline's scores do not line up.

    >>> from tropism.core.task import Feature
    >>> task = Task(name="t", kind="regression", target="y", features=(Feature("a"),))
    >>> rows = {"at": [0, 9], "version": [1, 2], "scores": [[1.0], [2.0]], "label": [2.0, 2.0], "label_at": [5, 14]}
    >>> found = track(task, pa.table(rows | {"answered": [True, True]}), None, bins=1)
    >>> [(window.version, window.rows, window.metrics["mae"].value) for window in found]
    [(None, 2, 0.5), (1, 1, 1.0), (2, 1, 0.0)]
    """
    rows = _rows(task, table, baseline_scores)
    made = None if predicted is None else _made(predicted)
    limits = edges(rows.at if made is None else np.concatenate([rows.at, made.at]), bins)
    return [found for span in pairwise(limits.tolist()) for found in _window(task, rows, made, span)]


def current(
    task: Task,
    table: pa.Table,
    period: int,
    now: int,
    least: int = LEAST,
    *,
    baseline_scores: Floats | None = None,
    predicted: pa.Table | None = None,
) -> dict[str, float | None]:
    """The metrics that rules may use (`FACTS`), over the predictions that matured in the last `period` (µs).

    A prediction matures when its outcome window closes. Where fewer than `least` did, the last `least` that ever
    did are taken; where there are not as many, a metric is None. `loss`: the mean of the task's loss,
    `baseline_loss`: the baseline's, `label_delay`: median in seconds. `table`, `baseline_scores`, `predicted`:
    as for `track`.

    >>> from tropism.core.task import Feature
    >>> task = Task(name="t", kind="regression", target="y", features=(Feature("a"),), outcome_window="0")
    >>> rows = {"at": [0, 9], "version": [1, 1], "scores": [[1.0], [2.0]], "label": [2.0, 2.0], "label_at": [5, 14]}
    >>> table = pa.table(rows | {"answered": [True, True]})
    >>> current(task, table, 10, now=20, least=2)["mae"], current(task, table, 10, now=20)["mae"]
    (0.5, None)
    """
    facts: dict[str, float | None] = dict.fromkeys(FACTS)
    end = now - task.window
    every = _rows(task, table, baseline_scores)
    known = every.where(every.usable)
    recent = known.where(_recent(known.at, period, end, least))
    if len(recent.at):
        facts |= _facts(task, recent)
    answered = every.where(~np.isnan(every.delay))
    delays = answered.delay[_recent(answered.at, period, end, least)]
    if len(delays):
        facts["label_delay"] = float(np.median(delays))
    if predicted is not None:
        made = _made(predicted).at
        since = made[_recent(made, period, end, least)]
        if len(since):
            told = np.count_nonzero((answered.at >= since[0]) & (answered.at <= since[-1]))
            facts["label_coverage"] = min(1.0, told / len(since))
    return facts


def _recent(at: Times, period: int, end: int, least: int) -> slice:
    """Rows (in time order) made by `end`: those of the last period or the last `least`, none if there are fewer."""
    stop = int(np.searchsorted(at, end, side="right"))
    start = min(int(np.searchsorted(at, end - period, side="right")), stop - least)
    return slice(start, stop) if start >= 0 else slice(0, 0)


def _facts(task: Task, rows: _Rows) -> dict[str, float | None]:
    found = figures(task.kind, rows.labels, rows.scores)
    facts: dict[str, float | None] = {name: found[name].value for name in FACTS if name in found}
    loss = mean_loss(task.metric_name, rows.labels, rows.scores)
    there = rows.where(_complete(rows.baseline))
    beside = mean_loss(task.metric_name, there.labels, there.baseline)
    facts["loss"] = None if loss is None else loss.value
    facts["baseline_loss"] = None if beside is None else beside.value
    return facts


def _window(task: Task, rows: _Rows, made: _Made | None, span: tuple[int, int]) -> Iterator[Performance]:
    inside = rows.where(slice(*np.searchsorted(rows.at, span)))
    sent = None if made is None else made.version[slice(*np.searchsorted(made.at, span))]
    if not len(inside.at) and (sent is None or not len(sent)):
        return
    whole = _performance(task, inside, None if sent is None else len(sent), span)
    yield whole
    versions = np.unique(inside.version if sent is None else np.concatenate([inside.version, sent]))
    if len(versions) == 1:
        yield msgspec.structs.replace(whole, version=int(versions[0]))
        return
    for version in versions:
        count = None if sent is None else int(np.count_nonzero(sent == version))
        found = _performance(task, inside.where(inside.version == version), count, span)
        yield msgspec.structs.replace(found, version=int(version))


def _performance(task: Task, rows: _Rows, predictions: int | None, span: tuple[int, int]) -> Performance:
    known = rows.where(rows.usable)
    there = known.where(_complete(known.baseline))
    delays = rows.delay[~np.isnan(rows.delay)]
    return Performance(
        start=span[0],
        end=span[1],
        version=None,
        rows=len(known.at),
        metrics=figures(task.kind, known.labels, known.scores),
        baseline=figures(task.kind, there.labels, there.baseline),
        coverage=min(1.0, len(delays) / predictions) if predictions else None,
        delay=float(np.median(delays)) if len(delays) else None,
        delay_p90=float(np.quantile(delays, 0.9)) if len(delays) else None,
    )


def _rows(task: Task, table: pa.Table, baseline_scores: Floats | None) -> _Rows:
    width = len(task.classes) if task.kind == "multiclass" else 1
    at = _times(table, "at")
    if baseline_scores is not None and np.shape(baseline_scores) != (len(at), width):
        wanted = f"give one of {(len(at), width)}"
        raise InvalidInput("not the rows' baseline", Fault("baseline_scores", str(np.shape(baseline_scores)), wanted))
    labels = _floats(table, "label")
    scores = _scores(table, width)
    answered = pc.and_(pc.fill_null(table["answered"], False), pc.is_valid(table["label_at"])).to_numpy()
    delay = np.maximum(_times(table, "label_at") - at, 0) / SECOND
    rows = _Rows(
        at=at,
        version=_ints(table, "version"),
        labels=labels,
        scores=scores,
        usable=_complete(scores) & _fits(task, labels),
        baseline=np.full((len(at), width), np.nan) if baseline_scores is None else baseline_scores,
        delay=np.where(answered & np.isfinite(labels), delay, np.nan),
    )
    return rows if (np.diff(at) >= 0).all() else rows.where(np.argsort(at, kind="stable"))


def _made(table: pa.Table) -> _Made:
    at, version = _times(table, "at"), _ints(table, "version")
    order = np.argsort(at, kind="stable")
    return _Made(at[order], version[order])


def _complete(scores: Floats) -> Bools:
    return np.asarray(np.isfinite(scores).all(axis=1), dtype=np.bool_)


def _fits(task: Task, labels: Floats) -> Bools:
    if task.kind == "regression":
        return np.isfinite(labels)
    return np.isin(labels, np.arange(2 if task.kind == "binary" else len(task.classes)))


def _scores(table: pa.Table, width: int) -> Floats:
    """Shape (n, width); NaN for rows with another number of scores, such as imported ones."""
    column = table["scores"]
    fit = pc.fill_null(pc.equal(pc.list_value_length(column), width), False).to_numpy()
    scores = np.full((len(column), width), np.nan)
    flat = pc.list_flatten(column.filter(pa.array(fit)))
    scores[fit] = np.asarray(pc.fill_null(pc.cast(flat, pa.float64()), float("nan")).to_numpy()).reshape(-1, width)
    return scores


def _times(table: pa.Table, name: str) -> Times:
    return np.asarray(pc.fill_null(pc.cast(table[name], pa.int64()), 0).to_numpy(), dtype=np.int64)


def _ints(table: pa.Table, name: str) -> Times:
    return np.asarray(pc.fill_null(table[name], -1).to_numpy(), dtype=np.int64)


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(pc.fill_null(pc.cast(table[name], pa.float64()), float("nan")).to_numpy(), dtype=np.float64)
