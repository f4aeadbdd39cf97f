"""Writes trainings as runs. A run is a record for people: that it cannot be written never fails a training."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from tropism.core.errors import TropismError
from tropism.loop.runs.telling import Told, told_of
from tropism.registry.tracking import Tracking
from tropism.registry.tracking.training_runs import run_id_of
from tropism.training.report import RunReport
from tropism.training.runs.base import RunStart
from tropism.training.runs.opening import also_names, open_also
from tropism.training.runs.store import StoreSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tropism.core.task import Task
    from tropism.loop.services import Services
    from tropism.training.request import TrainingResult
    from tropism.training.runs.base import Sink, Status

log = logging.getLogger("tropism.runs")
NOTE = "mlflow.note.content"
"""The tag that MLflow's pages show as a run's description."""


def experiment_of(task: str) -> str:
    """The name of the experiment that a task's trainings are in."""
    return f"tropism/{task}"


class TrainingRun:
    """The run of one training. The same job is the same run, however often it is begun.

    Nothing here raises: what goes wrong is logged, and the training goes on.
    """

    def __init__(self, services: Services, task: Task, job: str, reasons: Sequence[str], now: int) -> None:
        self._services, self._task, self._now = services, task, now
        tags = {
            "tropism.task": task.name,
            "tropism.job": job,
            "tropism.why": "; ".join(reasons),
            NOTE: f"Training of {task.name}: {'; '.join(reasons) or 'asked for'}",
        }
        name = f"{task.name}-{job[-12:]}"
        self._start = RunStart(id=run_id_of(job), experiment=experiment_of(task.name), name=name, at=now, tags=tags)

    @property
    def id(self) -> str:
        return self._start.id

    def begin(self) -> None:
        """Shows the run as running."""
        self._tried("begun", lambda: self._store().start(self._start))

    def finish(self, version: int, result: TrainingResult) -> None:
        """Writes all that a training that made a version tells."""

        def write() -> None:
            told = told_of(self._task, result, self._report(result), self._now)
            told.tags["tropism.version"] = str(version)
            self._write(told, "FINISHED")

        self._tried("written", write)

    def fail(self, reason: str, *, cancelled: bool = False) -> None:
        """Writes why there is no version."""
        told = Told({}, [], {"tropism.failure": reason, NOTE: f"{self._start.tags[NOTE]}\n\nFailed: {reason}"}, {})
        self._tried("written", lambda: self._write(told, "KILLED" if cancelled else "FAILED"))

    def record(self, told: Told, status: Status) -> None:
        """Writes a run whole, whatever it tells."""
        self._tried("written", lambda: self._write(told, status))

    def _report(self, result: TrainingResult) -> RunReport | None:
        if not result.report:
            return None
        return msgspec.json.decode(self._services.blobs.get(result.report), type=RunReport)

    def _write(self, told: Told, status: Status) -> None:
        write_run([self._store()], self._start, told, status, self._ended())
        settings = self._services.tracking
        for name in also_names(settings.also):
            self._tried(f"written to {name}", partial(self._mirror, name, told, status))

    def _mirror(self, name: str, told: Told, status: Status) -> None:
        folder = self._services.work.parent / "runs"
        sinks = open_also([name], self._services.tracking, folder)
        write_run(sinks, self._start, told, status, self._ended())

    def _ended(self) -> int:
        return max(self._services.clock.now(), self._now)

    def _store(self) -> StoreSink:
        return StoreSink(Tracking(self._services.registry.db, self._services.blobs))

    def _tried(self, what: str, act: Callable[[], None]) -> None:
        try:
            act()
        except TropismError as error:
            log.warning("the run of %s could not be %s; the training goes on: %s", self._task.name, what, error)
        except Exception:
            log.exception("the run of %s could not be %s; the training goes on", self._task.name, what)


def write_run(sinks: Iterable[Sink], start: RunStart, told: Told, status: Status, at: int) -> None:
    """A whole run, from its beginning to its end, into each place."""
    for sink in sinks:
        sink.start(start)
        sink.params(told.params)
        sink.metrics(told.points)
        sink.tags(told.tags)
        for path, data in told.files.items():
            sink.file(path, data)
        sink.end(status, at)
