"""Decay by a detector of the user's choice, for losses without a known baseline."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tropism.core.errors import DataInvalid, Fault
from tropism.evaluation.metrics import losses
from tropism.monitoring.concept import ConceptDetector, fresh

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tropism.core.task import Task
    from tropism.loop.watching.rows import Rows
    from tropism.monitoring.watch.store import MonitorStore

E_DETECTOR = "e-detector"
MOST = 100_000
"""Losses that a detector reads when it is made again: the last ones."""
_RECENT = 100
"""Losses that say whether what changed is a rise."""
_FRESH: dict[str, Callable[[], ConceptDetector]] = {
    "hddm": lambda: fresh("hddm-a"),
    "page-hinkley": lambda: fresh("page-hinkley", mode="up"),
}
_ERRORS = ("ddm", "hddm")
"""Detectors that read errors, where there are such, and not the task's loss."""


class Concept(msgspec.Struct, frozen=True, kw_only=True):
    """What a chosen detector says of a champion's losses. `until`: those of predictions made before it (µs) were read,
    `losses` in all. `alarm`: when the prediction was made whose loss raised it, if one did. `before`, `recent`: mean
    loss of all until then, and of the last hundred."""

    detector: str
    until: int
    losses: int = 0
    alarm: int | None = None
    before: float | None = None
    recent: float | None = None

    @property
    def score(self) -> float:
        """1 from an alarm until the next promotion, 0 before."""
        return 0.0 if self.alarm is None else 1.0


class _Reading:
    """A detector and how far it has read. Only a rise of the mean counts."""

    def __init__(self, detector: str, since: int) -> None:
        self._detector = _FRESH.get(detector, lambda: fresh(detector))()
        self._last: deque[float] = deque(maxlen=_RECENT)
        self._sum = 0.0
        self.said = Concept(detector=detector, until=since)

    def read(self, values: NDArray[np.float64], at: NDArray[np.int64], until: int) -> Concept:
        """Raises: InvalidInput: the detector cannot read such losses."""
        count, alarm, before, recent = self.said.losses, None, None, None
        for loss, made in zip(values.tolist(), at.tolist(), strict=True):
            if not np.isfinite(loss):
                continue
            count += 1
            self._sum += loss
            self._last.append(loss)
            if self._detector.update(loss) and (now := sum(self._last) / len(self._last)) > self._sum / count:
                alarm, before, recent = made, self._sum / count, now
                break
        self.said = msgspec.structs.replace(
            self.said, until=until, losses=count, alarm=alarm, before=before, recent=recent
        )
        return self.said


class Concepts:
    """Chosen detectors by task and version. What they said is kept in a table; they read losses again after a restart.
    Use one from one thread at a time."""

    def __init__(self, store: MonitorStore) -> None:
        self._store = store
        self._readings: dict[str, tuple[int, _Reading]] = {}

    def look(
        self, task: Task, version: int, since: int, until: int, read: Callable[[int, int], Rows], now: int
    ) -> Concept:
        """What the detector says after the losses (`read`: of a span) of predictions made from `since` to `until`.

        Raises:
            MissingExtra: river is not installed.
            InvalidInput: the detector cannot read such losses.
        """
        name, number, known = task.monitoring.concept, *self._kept(task, version)
        if known is not None and known.detector == name and (known.alarm is not None or known.until >= until):
            return known
        reading = self._reading(task.name, version, name, since)
        rows = read(reading.said.until, max(until, reading.said.until))
        values = losses_of(task, rows)
        end = int(rows.at[-1]) + 1 if len(rows.at) else reading.said.until  # not `until`: clocks may jump
        said = reading.read(values[-MOST:], rows.at[-MOST:], end)
        self._store.put(task.name, subject(version), msgspec.msgpack.encode(said), after=number, now=now)
        return said

    def known(self, task: Task, version: int) -> Concept | None:
        """What the detector said last."""
        found = self._kept(task, version)[1]
        return found if found is not None and found.detector == task.monitoring.concept else None

    def _kept(self, task: Task, version: int) -> tuple[int, Concept | None]:
        number, state = self._store.get(task.name, subject(version))
        return number, msgspec.msgpack.decode(state, type=Concept) if state else None

    def _reading(self, task: str, version: int, detector: str, since: int) -> _Reading:
        before, reading = self._readings.get(task, (0, None))
        if reading is None or before != version or reading.said.detector != detector or reading.said.alarm is not None:
            reading = _Reading(detector, since)
            self._readings[task] = version, reading
        return reading


def subject(version: int) -> str:
    """Where what a detector said is kept."""
    return f"concept/{version}"


def losses_of(task: Task, rows: Rows) -> NDArray[np.float64]:
    """The losses that the task's detector reads: errors for those that read nothing else."""
    labels, width = rows.table["label"].to_numpy(), len(task.classes) if task.kind == "multiclass" else 1
    if not len(labels):
        return np.empty(0)
    flat = rows.table["scores"].combine_chunks().flatten().to_numpy()
    if len(flat) != width * len(labels):
        raise DataInvalid("predictions differ in their number of scores", Fault("scores", str(len(flat)), "retrain"))
    metric = "accuracy" if task.monitoring.concept in _ERRORS and task.kind != "regression" else task.metric_name
    return losses(metric, labels, flat.reshape(-1, width))
