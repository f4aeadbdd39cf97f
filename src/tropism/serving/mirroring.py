"""Sends what the control answered to treatments that answer nobody, beside the requests and never in their way.

One thread a process takes rows from a queue that holds a fixed number of them; what does not fit is dropped and
counted. What a treatment says is compared with the control's scores, counted, and told to nobody. Its Python code
shares the process with the requests, so it takes processor time from them, but no reply waits for it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tropism.core.events import Predictions
from tropism.experiments.assigning import Assigner
from tropism.serving.marking import Unmarked
from tropism.serving.scores import checked, prediction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.core.events import Prediction, Value
    from tropism.registry.experiments import Trial
    from tropism.serving.marking import Marker
    from tropism.serving.meters import Meters
    from tropism.serving.predictor import Answer
    from tropism.serving.snapshot import Deployment, Mirrored, ServedModel

_log = logging.getLogger(__name__)
MOST_ROWS = 1_000
"""Rows that may wait."""
_NOBODY = "-"
"""Stands for a unit where none is needed."""
_CONTROL_FAILED = ("champion-failed", "champion-resting", "champion-unscored")


@dataclass(frozen=True, slots=True)
class Mirror:
    """An experiment whose treatments are sent what the control answers. `models`: those that could be loaded, by
    variant. `assigner`: who takes part; None where everybody does."""

    trial: Trial
    models: Mapping[str, ServedModel]
    assigner: Assigner | None

    @classmethod
    def of(cls, trial: Trial, models: Mapping[str, ServedModel]) -> Mirror:
        """Ready to choose."""
        spec = trial.spec
        everybody = not spec.targeting.strip() and not spec.holdout and spec.namespace is None
        return cls(trial, models, None if everybody else Assigner(spec, 1.0))

    def takes(self, row: Mapping[str, Value], entity: str | None, unit: str | None) -> bool:
        """Whether the treatments are sent this row. A row without a unit is left out where units are chosen."""
        if self.assigner is None:
            return True
        spec = self.trial.spec
        chosen = bool(spec.holdout) or spec.namespace is not None
        who = (entity if spec.unit == "entity" else unit) or ("" if chosen else _NOBODY)
        return bool(who) and self.assigner.assign(who, row).variant is not None


class _Waiting(NamedTuple):
    """Rows that the control has scored."""

    deployment: Deployment
    made: Predictions | Sequence[Prediction]
    rows: int


class Mirroring:
    """The queue and the thread of one process. Its thread begins with the first rows; closing it drops what waits."""

    def __init__(self, meters: Meters | None, marker: Marker | None = None, most: int = MOST_ROWS) -> None:
        """Sends nothing to anybody without `meters`. `marker` is told which model is being called."""
        self._meters = meters
        self._marker: Marker = marker or Unmarked()
        self._most = most
        self._waiting: deque[_Waiting] = deque()
        self._rows = 0
        self._busy = False
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def answered(self, deployment: Deployment, answer: Answer, made: Sequence[Prediction]) -> None:
        """Takes rows that were answered the long way: those that the control scored; counts those that it could not."""
        if self._meters is None:
            return
        if answer.model is not None and answer.model is deployment.served:
            self.offer(deployment, made)
        elif any(reason in answer.degraded for reason in _CONTROL_FAILED):
            for mirror in deployment.mirrors:
                for variant in mirror.models:
                    labels = (deployment.task.name, mirror.trial.name, variant)
                    self._meters.mirrored_control.add(*labels, by=len(made))

    def offer(self, deployment: Deployment, made: Predictions | Sequence[Prediction]) -> None:
        """Takes rows that the control scored, if there is room for them. Never waits for a model."""
        if self._meters is None or not any(mirror.models for mirror in deployment.mirrors):
            return
        rows = len(made.ids) if isinstance(made, Predictions) else len(made)
        with self._changed:
            room = self._rows + rows <= self._most and not self._closed
            if room:
                self._waiting.append(_Waiting(deployment, made, rows))
                self._rows += rows
                self._begin()
                self._changed.notify_all()
        if not room:
            for mirror in deployment.mirrors:
                for variant in mirror.models:
                    self._meters.mirrored_dropped.add(deployment.task.name, mirror.trial.name, variant, by=rows)

    def drain(self, timeout: float = 30.0) -> bool:
        """Waits until nothing waits any more, so many seconds at the most; whether that came."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout)

    def close(self) -> None:
        """Takes no more rows, and lets those that wait go. A call that is being made is not waited for."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._rows = 0
            self._changed.notify_all()

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="mirroring", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                one = self._waiting.popleft()
                self._rows -= one.rows
                self._busy = True
            try:
                self._mirror(one)
            except Exception:  # noqa: BLE001  the next rows are mirrored all the same
                _log.error("rows of '%s' could not be mirrored", one.deployment.task.name, exc_info=True)

    def _mirror(self, one: _Waiting) -> None:
        events = one.made.each() if isinstance(one.made, Predictions) else one.made
        for mirror in one.deployment.mirrors:
            taken = [event for event in events if mirror.takes(event.features, event.entity, event.unit)]
            if taken:
                for variant, model in mirror.models.items():
                    self._ask(one.deployment, mirror, variant, model, taken)

    def _ask(
        self, deployment: Deployment, mirror: Mirrored, variant: str, model: ServedModel, events: Sequence[Prediction]
    ) -> None:
        """One call for all rows; if that fails, one for each, so that a bad row counts as one."""
        assert self._meters is not None
        labels = (deployment.task.name, mirror.trial.name, variant)
        scores = self._scores(deployment, model, events, labels)
        if scores is not None:
            self._compare(deployment, labels, events, scores)
        elif len(events) > 1:
            for event in events:
                self._ask(deployment, mirror, variant, model, [event])
        else:
            self._meters.mirrored.add(*labels, "failed")

    def _scores(
        self, deployment: Deployment, model: ServedModel, events: Sequence[Prediction], labels: tuple[str, str, str]
    ) -> list[tuple[float, ...]] | None:
        assert self._meters is not None
        rows, at = [event.features for event in events], np.array([event.at for event in events], np.int64)
        started = perf_counter()
        self._marker.enter(deployment.tag, model.version)
        try:
            found = checked(deployment.task, model.model.predict_rows(rows, at), len(rows))
        except Exception:  # noqa: BLE001  a model may raise anything
            if (*labels, "failed") not in self._meters.mirrored.values:
                _log.error("version %d of '%s' fails where it is mirrored", model.version, labels[0], exc_info=True)
            return None
        finally:
            self._marker.leave()
        self._meters.mirrored_latency.observe(perf_counter() - started, *labels)
        return found

    def _compare(
        self,
        deployment: Deployment,
        labels: tuple[str, str, str],
        events: Sequence[Prediction],
        scores: Sequence[tuple[float, ...]],
    ) -> None:
        meters, task = self._meters, deployment.task
        assert meters is not None
        meters.mirrored.add(*labels, "answered", by=len(events))
        differing = 0
        for event, own in zip(events, scores, strict=True):
            apart = max(abs(a - b) for a, b in zip(event.scores, own, strict=True))
            meters.mirrored_difference.observe(apart, *labels)
            meters.mirrored_largest[labels] = max(apart, meters.mirrored_largest.get(labels, 0.0))
            differing += task.kind != "regression" and prediction(task, event.scores) != prediction(task, own)
        if differing:
            meters.mirrored_differing.add(*labels, by=differing)
