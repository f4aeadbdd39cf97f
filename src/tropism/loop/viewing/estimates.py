"""How the champion does before its labels come: estimated from its scores, or from its inputs for numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.feedback.joining import moments
from tropism.loop.losses import features_of
from tropism.loop.watching.estimators import FEWEST, Estimators
from tropism.loop.watching.rows import rows_served
from tropism.monitoring.edges import edges
from tropism.monitoring.estimation import CBPE, DLE, Chunk, Estimate

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.loop.viewing.sources import Sources
    from tropism.registry import ModelVersion

MOST_READ = 100_000
"""Predictions that are read: the newest ones."""
ROWS = 10_000
"""Predictions that are estimated, at most: evenly spaced ones of more."""
LATEST = 1_000


class EstimatesView(msgspec.Struct, frozen=True, kw_only=True):
    """Estimated performance of the champion's predictions from `since` to `until` (µs), the newest 100,000 at most.

    `method`: "CBPE" of classifiers, "DLE" of numbers. `assumption`: what it takes for granted. `reference`: labelled
    rows it rests on, which the champion did not learn from. `latest`: of the predictions that have not matured, and
    the newest 1,000 at least. `windows`: of time. `waiting`: what is missing, if anything.
    """

    task: str
    version: int | None
    since: int | None
    until: int
    method: str = ""
    assumption: str = ""
    reference: int = 0
    rows: int = 0
    latest: dict[str, Estimate] = {}
    windows: tuple[Chunk, ...] = ()
    waiting: str = ""


def estimated(sources: Sources, name: str, *, since: int | None = None, bins: int = 20) -> EstimatesView:
    """Estimates of what the champion served from `since` (µs; since it is champion by default), in `bins` windows.

    They rest on rows that were labelled after the champion was trained, scored by it (`loop.watching.estimators`).

    Raises:
        UnknownTask: there is none of that name.
    """
    task, now = sources.task(name), sources.clock.now()
    live = sources.registry.aliases.live(name)
    if live is None:
        return EstimatesView(task=name, version=None, since=since, until=now, waiting="there is no champion yet")
    view = EstimatesView(task=name, version=live.champion, since=since, until=now)
    version = sources.registry.versions.get(name, live.champion)
    estimator = None
    if sources.kept is not None and version.state != "quarantined":
        made = Estimators(sources.registry, sources.cohorts, sources.blobs, sources.kept)
        estimator = made.of(task, live.champion, now)
    if estimator is None:
        return msgspec.structs.replace(view, waiting=_missing(sources, task, version, now))
    view = msgspec.structs.replace(
        view, method=type(estimator).__name__, assumption=estimator.assumption, reference=estimator.rows
    )
    table = rows_served(sources.lake, task, live.since if since is None else since, now + 1, most=MOST_READ)
    own = pc.and_(
        pc.equal(table["version"], live.champion), pc.greater(pc.fill_null(pc.list_value_length(table["scores"]), 0), 0)
    )
    table = table.filter(own)
    if not table.num_rows:
        return msgspec.structs.replace(view, waiting=f"version {live.champion} served nothing in that time")
    return _told(task, view, estimator, table, now - task.window, bins)


def _told(
    task: Task, view: EstimatesView, estimator: CBPE | DLE, table: pa.Table, matured: int, bins: int
) -> EstimatesView:
    at = moments(table, "at")
    newest = table.slice(min(int(np.searchsorted(at, matured, side="right")), max(len(at) - LATEST, 0)))
    newest, thinned = _thinned(newest), _thinned(table)
    at, scores = moments(thinned, "at"), _scores(thinned)
    limits = edges(at, bins).tolist()
    if isinstance(estimator, CBPE):
        latest, windows = estimator.estimate(_scores(newest)), estimator.series(at, scores, limits)
    else:
        latest = estimator.estimate(features_of(task, newest), _scores(newest))
        windows = estimator.series(at, features_of(task, thinned), scores, limits)
    filled = tuple(one for one in windows if any(found.rows for found in one.estimates.values()))
    return msgspec.structs.replace(view, rows=thinned.num_rows, latest=latest, windows=filled)


def _missing(sources: Sources, task: Task, version: ModelVersion, now: int) -> str:
    """Why there is no estimator."""
    if version.state == "quarantined":
        return f"version {version.version} is in quarantine, so it is not loaded"
    since = version.created_at + 1
    rows = sources.cohorts.matured(task, now=now, since=since, columns=("at",)).table.num_rows
    if rows < FEWEST:
        return f"{rows} of the {FEWEST} labelled rows from after the champion was trained are there"
    return "no estimator could be made of the rows that have labels"


def _thinned(table: pa.Table) -> pa.Table:
    if table.num_rows <= ROWS:
        return table
    return table.take(pa.array(np.linspace(0, table.num_rows - 1, ROWS).astype(np.int64)))


def _scores(table: pa.Table) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    flat = pc.list_flatten(table["scores"]).to_numpy()
    return np.asarray(flat, dtype=np.float64).reshape(table.num_rows, -1)
