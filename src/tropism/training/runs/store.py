"""Writes a run into the project's own tracking store, where MLflow's clients see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tropism.core.errors import Conflict, NotFound
from tropism.registry.tracking import Metric
from tropism.registry.tracking.checks import PARAM, TAG
from tropism.registry.tracking.experiments import ARTIFACTS
from tropism.training.runs.base import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tropism.registry.tracking import Tracking
    from tropism.training.runs.base import Point, RunStart, Status

T = TypeVar("T")
_BATCH = 100
_POINTS = 1_000


def experiment_id(tracking: Tracking, name: str, now: int) -> str:
    """The id of the experiment of that name, which is made if there is none."""
    try:
        return tracking.experiments.named(name, now).id
    except NotFound:
        pass
    try:
        return tracking.experiments.create(name, now)
    except Conflict:  # another process was faster
        return tracking.experiments.named(name, now).id


class StoreSink(Sink):
    """One run in the store.

    Raises (from each method):
        InvalidInput: the experiment or the run is deleted, or something that was logged does not fit.
    """

    def __init__(self, tracking: Tracking, user: str = "tropism") -> None:
        self._tracking, self._user = tracking, user
        self._run, self._root, self._at = "", "", 0

    def start(self, run: RunStart) -> None:
        """Makes the run, or takes up the one of this id."""
        experiment = experiment_id(self._tracking, run.experiment, run.at)
        made = self._tracking.runs.create(
            experiment, run.at, run_id=run.id, user=self._user, name=run.name, tags=run.tags
        )
        uri = made.info.artifact_uri
        self._run, self._root, self._at = run.id, uri.removeprefix(ARTIFACTS).strip("/"), run.at

    def params(self, values: Mapping[str, str]) -> None:
        """Raises: InvalidInput: one has another value already."""
        for part in _parts([(key, value[:PARAM]) for key, value in values.items()], _BATCH):
            self._tracking.batches.log(self._run, params=part)

    def metrics(self, points: Sequence[Point]) -> None:
        logged = [Metric(key=one.key, value=one.value, at=one.at, step=one.step) for one in points]
        for part in _parts(logged, _POINTS):
            self._tracking.batches.log(self._run, metrics=part)

    def tags(self, values: Mapping[str, str]) -> None:
        for part in _parts([(key, value[:TAG]) for key, value in values.items()], _BATCH):
            self._tracking.batches.log(self._run, tags=dict(part))

    def file(self, path: str, data: bytes) -> None:
        self._tracking.files.put(f"{self._root}/{path}", data, self._at)

    def end(self, status: Status, at: int) -> None:
        self._tracking.runs.update(self._run, status=status, ended_at=at)


def _parts(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
