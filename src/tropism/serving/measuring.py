"""Writes into the journal, minute by minute, what this process did and used: how that gets a history in the lake.

A thread of its own compares the meters with what they were; requests know nothing of it. Every event is a difference,
so events of any number of data planes and minutes add up.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tropism.core.clock import SECOND
from tropism.core.errors import TropismError
from tropism.core.events import Activity, Measured, encode
from tropism.serving.mirror_meters import Labels, mirrored_since, mirrored_totals
from tropism.serving.periodic import Periodic
from tropism.serving.resources import Gpus, Resources, resources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tropism.core.clock import Clock
    from tropism.core.events import Mirrored
    from tropism.serving.meters import Counter, Meters
    from tropism.serving.recording import Journal
    from tropism.serving.resources import Gpu

_log = logging.getLogger(__name__)
EVERY = 60.0
"""Seconds between two events."""
SILENCE = 3_600 * SECOND
"""The longest (µs) for which a process in which nothing happens says nothing."""
_LOOKS = 12
"""How often in that time the GPUs are looked at: what they tell is of one moment."""


class _Totals(NamedTuple):
    """What was counted up to a moment, and used."""

    at: int
    counted: dict[str, Activity]
    cpu_seconds: float
    gpu_seconds: float
    mirrored: dict[Labels, Mirrored]


class Measuring:
    """For one process, called `process` in what it writes.

    Where nothing happened, nothing is written, but for one event an hour. What the journal refuses, as when the disk
    is full, goes with the next event. A process that is killed loses what it counted since its last event: a minute.
    """

    def __init__(
        self,
        meters: Meters,
        journal: Journal,
        clock: Clock,
        process: str,
        *,
        every: float = EVERY,
        gpus: Gpus | None = None,
        used: Callable[[tuple[Gpu, ...]], Resources] = resources,
    ) -> None:
        """Begins with what the meters hold now. `gpus`: only for one process of a machine."""
        self._meters = meters
        self._journal = journal
        self._clock = clock
        self._process = process
        self._looks = _LOOKS if gpus is not None else 1
        self._pause = every / self._looks
        self._looked = 0
        self._gpus = gpus
        self._used = used
        self._seen: tuple[Gpu, ...] = ()
        self._gpu_seconds = 0.0
        self._periodic = Periodic("measuring", self._pause, self._turn, last=partial(self.measure, last=True))
        self._told = self._totals()
        self._idle: _Totals | None = None
        """The end of the time since the last event in which nothing happened, if any."""

    def start(self) -> None:
        """Measures from now on, in a thread."""
        self._periodic.start()

    def close(self) -> None:
        """Writes what is left. Closing twice is fine."""
        self._periodic.close()

    def measure(self, last: bool = False) -> None:
        """Writes what happened since the last event, if anything did. One at a time."""
        now = self._totals()
        models = _differences(self._told.counted, now.counted)
        mirrored = mirrored_since(self._told.mirrored, now.mirrored)
        busy = bool(models or mirrored)
        if not busy and not last and 0 <= now.at - self._told.at < SILENCE:
            self._idle = now
            return
        since, events = self._told, []
        if self._idle is not None and busy:  # the rates of a minute are not thinned by the quiet before it
            events.append(self._event(since, self._idle, [], []))
            since = self._idle
        events.append(self._event(since, now, models, mirrored))
        try:
            self._journal.append([encode(events)])
        except TropismError as error:
            _log.warning("what was measured goes with the next minute: %s", error.message)
            return
        self._told, self._idle = now, None

    def _turn(self) -> None:
        self._looked += 1
        self._look(self._pause)
        if self._looked % self._looks == 0:
            self.measure()

    def _look(self, seconds: float) -> None:
        if self._gpus is not None:
            self._seen = self._gpus.read()
            self._gpu_seconds += seconds * sum(one.busy for one in self._seen)

    def _totals(self) -> _Totals:
        found = self._used(self._seen)
        self._meters.used(found)
        counted, mirrored = _counted(self._meters), mirrored_totals(self._meters)
        return _Totals(self._clock.now(), counted, found.cpu_seconds, self._gpu_seconds, mirrored)

    def _event(self, since: _Totals, now: _Totals, models: list[Activity], mirrored: list[Mirrored]) -> Measured:
        gpus = self._seen
        return Measured(
            process=self._process,
            start=min(since.at, now.at),  # a clock may be set back
            end=now.at,
            models=models,
            cpu_seconds=max(0.0, now.cpu_seconds - since.cpu_seconds),
            memory_bytes=self._meters.memory_bytes,
            gpus=len(gpus),
            gpu_seconds=now.gpu_seconds - since.gpu_seconds if gpus else None,
            gpu_memory_bytes=sum(one.memory_bytes for one in gpus) if gpus else None,
            mirrored=mirrored,
        )


def _counted(meters: Meters) -> dict[str, Activity]:
    """What the meters hold of each task."""
    versions: dict[str, dict[int, int]] = {}
    for (task, version, _), count in _copied(meters.predictions):
        own = versions.setdefault(task, {})
        own[int(version)] = own.get(int(version), 0) + count
    ours = _sums(meters.failures, lambda labels: int(labels[2]) >= 500)
    refused = _sums(meters.failures, lambda labels: int(labels[2]) < 500)
    degraded, outcomes = _sums(meters.degraded), _sums(meters.outcomes)
    latencies = {task: counts.copy() for (task,), counts in meters.latency.counts.copy().items()}
    sums = meters.latency.sums.copy()
    return {
        task: Activity(
            task=task,
            predictions=versions.get(task, {}),
            requests=latencies.get(task, []),
            seconds=sums.get((task,), 0.0),
            errors=ours.get(task, 0),
            refused=refused.get(task, 0),
            degraded=degraded.get(task, 0),
            outcomes=outcomes.get(task, 0),
        )
        for task in sorted({*versions, *latencies, *ours, *refused, *degraded, *outcomes})
    }


def _copied(counter: Counter) -> Sequence[tuple[tuple[str, ...], int]]:
    return list(counter.values.copy().items())


def _sums(counter: Counter, wanted: Callable[[tuple[str, ...]], bool] = lambda _: True) -> dict[str, int]:
    """Counts by the first label, which is the task."""
    sums: dict[str, int] = {}
    for labels, count in _copied(counter):
        if wanted(labels):
            sums[labels[0]] = sums.get(labels[0], 0) + count
    return sums


def _differences(before: Mapping[str, Activity], now: Mapping[str, Activity]) -> list[Activity]:
    """What came since, of the tasks where anything did."""
    found = [one if task not in before else _difference(before[task], one) for task, one in now.items()]
    return [one for one in found if one != Activity(task=one.task)]


def _difference(before: Activity, now: Activity) -> Activity:
    earlier = before.requests or [0] * len(now.requests)
    requests = [a - b for a, b in zip(now.requests, earlier, strict=True)]
    made = {version: count - before.predictions.get(version, 0) for version, count in now.predictions.items()}
    return Activity(
        task=now.task,
        predictions={version: count for version, count in made.items() if count},
        requests=requests if any(requests) else [],
        seconds=max(0.0, now.seconds - before.seconds),
        errors=now.errors - before.errors,
        refused=now.refused - before.refused,
        degraded=now.degraded - before.degraded,
        outcomes=now.outcomes - before.outcomes,
    )
