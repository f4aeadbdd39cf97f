"""How the champion does before its labels come, learnt once from its first labelled rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import SECOND
from tropism.core.errors import TropismError
from tropism.core.monitoring import MATURED_LEAST
from tropism.feedback.joining import moments
from tropism.loop.losses import features_of, load_model
from tropism.monitoring.estimation import CBPE, DLE, calibrated, direct_loss
from tropism.monitoring.segments.masks import masks
from tropism.registry.versions import learnt_until

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tropism.core.task import Task
    from tropism.feedback.cohorts import Cohorts
    from tropism.monitoring.watch.store import MonitorStore
    from tropism.registry import ModelVersion, Registry
    from tropism.storage.blobs import Blobs

    Estimator = CBPE | DLE

FEWEST, MOST = 128, 4_096
"""Labelled rows of a reference."""
_AGAIN = 600 * SECOND
"""Time between two looks at whether there are more of them."""
_NAME = "estimated_performance"


class Kept(msgspec.Struct, frozen=True):
    """An estimator as it is kept, under `estimator/<version>`: made of so many rows."""

    rows: int
    data: bytes


class _Known(NamedTuple):
    version: int
    rows: int
    estimator: Estimator | None
    looked: int


class Estimators:
    """Estimators by task, of the champion. Use one from one thread at a time."""

    def __init__(self, registry: Registry, cohorts: Cohorts, blobs: Blobs, store: MonitorStore) -> None:
        self._registry, self._cohorts, self._blobs, self._store = registry, cohorts, blobs, store
        self._known: dict[str, _Known] = {}

    def facts(self, task: Task, version: int | None, served: pa.Table, now: int) -> dict[str, float | None]:
        """The task's metric as it is estimated of the rows that the champion served, and of each segment."""
        if version is None:
            return {_NAME: None}
        estimator = self.of(task, version, now)
        filled = pc.greater(pc.fill_null(pc.list_value_length(served["scores"]), 0), 0)
        own = served.filter(pc.and_(pc.equal(served["version"], version), filled))
        if estimator is None or not own.num_rows:
            return {_NAME: None}
        found = {_NAME: _estimate(task, estimator, own)}
        for name, inside in masks(task, own, task.monitoring.segments).items():
            found[f"{_NAME}:{name}"] = _estimate(task, estimator, own.filter(pa.array(inside)))
        return found

    def of(self, task: Task, version: int, now: int) -> Estimator | None:
        """The estimator of a version, if enough of its rows have labels. It is made again when they have doubled, up to
        4,096, which is looked at every ten minutes."""
        known = self._known.get(task.name)
        if known is None or known.version != version:
            known = self._stored(task, version)
        if known.rows < MOST and not 0 <= now - known.looked < _AGAIN:
            known = self._renewed(task, known, now)
        self._known[task.name] = known
        return known.estimator

    def _stored(self, task: Task, version: int) -> _Known:
        state = self._store.get(task.name, f"estimator/{version}")[1]
        kept = msgspec.msgpack.decode(state, type=Kept) if state else Kept(0, b"")
        kind: type[Estimator] = DLE if task.kind == "regression" else CBPE
        return _Known(version, kept.rows, kind.from_bytes(kept.data) if state else None, -_AGAIN)

    def _renewed(self, task: Task, known: _Known, now: int) -> _Known:
        version = self._registry.versions.get(task.name, known.version)
        known = known._replace(looked=now)
        if version.state == "quarantined":
            return known
        since = learnt_until(version) + 1
        at = moments(self._cohorts.matured(task, now=now, since=since, columns=("at",)).table, "at")
        rows = min(1 << (len(at).bit_length() - 1), MOST) if len(at) >= FEWEST else 0
        if rows <= known.rows:
            return known
        try:
            estimator = self._fitted(task, version, since, int(at[rows - 1]) + 1, now)
        except TropismError:
            return known
        number = self._store.get(task.name, f"estimator/{version.version}")[0]
        kept = msgspec.msgpack.encode(Kept(rows, estimator.to_bytes()))
        self._store.put(task.name, f"estimator/{version.version}", kept, after=number, now=now)
        return _Known(known.version, rows, estimator, now)

    def _fitted(self, task: Task, version: ModelVersion, start: int, end: int, now: int) -> Estimator:
        columns = ("at", "label", *(f"f_{name}" for name in task.feature_names))
        table = self._cohorts.matured(task, now=now, since=start, until=end, columns=columns).table
        features, labels = features_of(task, table), table["label"].to_numpy()
        scores = load_model(version.artifact, self._blobs).predict(features, moments(table, "at"))
        if task.kind != "regression":
            return calibrated(task.kind, scores, labels)
        return direct_loss(features, scores, labels, "mse" if task.metric_name == "mse" else "mae")


def _estimate(task: Task, estimator: Estimator, rows: pa.Table) -> float | None:
    if rows.num_rows < MATURED_LEAST:
        return None
    scores = _scores(rows)
    if isinstance(estimator, CBPE):
        return estimator.estimate(scores, [task.metric_name])[task.metric_name].value
    return estimator.estimate(features_of(task, rows), scores)[task.metric_name].value


def _scores(rows: pa.Table) -> NDArray[np.float64]:
    flat = pc.list_flatten(rows["scores"]).to_numpy()
    return np.asarray(flat, dtype=np.float64).reshape(rows.num_rows, -1)
