from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from tropism.core.clock import SECOND, ManualClock
from tropism.core.errors import DiskFull
from tropism.core.events import LATENCY_BOUNDS, Activity, Measured, decode
from tropism.serving.measuring import Measuring
from tropism.serving.meters import Meters
from tropism.serving.resources import Gpu, Resources

MINUTE = 60 * SECOND
START = 1_700_000_000 * SECOND


class FakeJournal:
    name = "w0"

    def __init__(self) -> None:
        self.full = False
        self.records: list[bytes] = []
        self.appended = threading.Event()

    def append(self, payloads: Sequence[bytes]) -> int:
        if self.full:
            raise DiskFull("the disk is full")
        self.records += payloads
        self.appended.set()
        return len(self.records)

    def flushing(self, seq: int) -> None:
        return None

    @property
    def events(self) -> list[Measured]:
        return [event for record in self.records for event in decode(record) if isinstance(event, Measured)]


class Process:
    """One that is measured by hand: its processor time and its clock stand still until they are moved."""

    def __init__(self) -> None:
        self.meters = Meters()
        self.journal = FakeJournal()
        self.clock = ManualClock(START)
        self.cpu = 5.0
        self.measuring = self.measured()

    def measured(self, **given: Any) -> Measuring:
        return Measuring(self.meters, self.journal, self.clock, "shop-0", used=self.used, **given)

    def used(self, gpus: tuple[Gpu, ...]) -> Resources:
        return Resources(cpu_seconds=self.cpu, memory_bytes=1_000, gpus=gpus)

    def answer(self, count: int = 1, seconds: float = 0.002, task: str = "price") -> None:
        self.meters.predictions.add(task, "3", "champion", by=count)
        self.meters.latency.observe(seconds, task)

    def minute(self, cpu: float = 0.5) -> list[Measured]:
        """What is written at the end of the next minute."""
        self.clock.advance(MINUTE)
        self.cpu += cpu
        before = len(self.journal.events)
        self.measuring.measure()
        return self.journal.events[before:]


@pytest.fixture
def process() -> Process:
    return Process()


def test_a_minute_tells_what_was_done_in_it_and_used(process: Process) -> None:
    process.answer(count=20)
    process.meters.predictions.add("price", "0", "baseline", by=2)
    process.meters.predictions.add("price", "3", "pinned")
    process.meters.degraded.add("price", "no-model", by=2)
    process.meters.outcomes.add("price", by=4)
    process.meters.failures.add("price", "disk-full", "507")
    process.meters.failures.add("price", "invalid-input", "422", by=3)
    (event,) = process.minute()
    assert (event.process, event.start, event.end) == ("shop-0", START, START + MINUTE)
    assert (event.cpu_seconds, event.memory_bytes, event.gpu_seconds) == (0.5, 1_000, None)
    requests = [0] * (len(LATENCY_BOUNDS) + 1)
    requests[LATENCY_BOUNDS.index(0.002)] = 1
    assert event.models == [
        Activity(
            task="price",
            predictions={3: 21, 0: 2},
            requests=requests,
            seconds=0.002,
            errors=1,
            refused=3,
            degraded=2,
            outcomes=4,
        )
    ]


def test_minutes_add_up_to_what_was_counted(process: Process) -> None:
    process.measuring.measure(last=True)
    for count in (3, 5):
        process.answer(count)
        process.minute()
    process.answer(7, task="churn")
    process.minute()
    made = [(one.task, one.predictions) for event in process.journal.events for one in event.models]
    assert made == [("price", {3: 3}), ("price", {3: 5}), ("churn", {3: 7})]
    assert sum(event.cpu_seconds for event in process.journal.events) == pytest.approx(1.5)


def test_what_was_counted_in_an_earlier_life_is_not_told_again(process: Process) -> None:
    process.answer(9)
    process.measuring = process.measured()
    process.answer(2)
    (event,) = process.minute()
    assert event.models[0].predictions == {3: 2}


def test_quiet_is_told_of_once_an_hour(process: Process) -> None:
    written = [len(process.minute()) for _ in range(120)]
    assert [number for number, count in enumerate(written, 1) if count] == [60, 120]
    assert [event.end - event.start for event in process.journal.events] == [60 * MINUTE] * 2
    assert sum(event.cpu_seconds for event in process.journal.events) == pytest.approx(60.0)


def test_quiet_before_a_busy_minute_does_not_thin_it(process: Process) -> None:
    for _ in range(10):
        assert process.minute(cpu=0.1) == []
    process.answer()
    quiet, busy = process.minute(cpu=2.0)
    assert (quiet.end - quiet.start, quiet.models) == (10 * MINUTE, [])
    assert busy.end - busy.start == MINUTE
    assert busy.cpu_seconds == pytest.approx(2.0)
    assert quiet.cpu_seconds == pytest.approx(1.0)
    assert len(process.journal.records) == 1, "both or neither"


def test_what_a_full_disk_refuses_goes_with_the_next_minute(process: Process) -> None:
    process.journal.full = True
    process.answer(3)
    process.minute()
    process.answer(4)
    process.minute()
    process.journal.full = False
    (event,) = process.minute()
    assert event.models[0].predictions == {3: 7}
    assert (event.start, event.end) == (START, START + 3 * MINUTE)
    assert event.cpu_seconds == pytest.approx(1.5)
    assert process.minute() == []


def test_a_clock_that_is_set_back_gives_no_span_below_nothing(process: Process) -> None:
    process.answer()
    process.clock.set(START - 10 * MINUTE)
    process.measuring.measure()
    (event,) = process.journal.events
    assert event.start == event.end == START - 10 * MINUTE
    process.answer()
    (event,) = process.minute()
    assert event.end - event.start == MINUTE


def test_it_measures_by_itself_and_writes_the_rest_when_it_ends(process: Process) -> None:
    others = threading.enumerate()
    measuring = process.measured(every=0.01)
    measuring.start()
    process.answer(2)
    assert process.journal.appended.wait(60)
    process.answer(3)
    measuring.close()
    written = len(process.journal.records)
    measuring.close()
    assert len(process.journal.records) == written
    assert sum(one.predictions[3] for event in process.journal.events for one in event.models) == 5
    assert [one for one in threading.enumerate() if one.name == "measuring" and one not in others] == []


def test_the_disk_may_be_full_when_it_ends(process: Process) -> None:
    process.journal.full = True
    process.answer()
    process.measuring.close()
    assert process.journal.events == []


class FakeGpus:
    def __init__(self, *busy: float) -> None:
        self.busy = busy
        self.looked = threading.Event()
        self.looks = 0

    def read(self) -> tuple[Gpu, ...]:
        self.looks += 1
        if self.looks >= 12:
            self.looked.set()
        return tuple(Gpu(number, busy, 2_000) for number, busy in enumerate(self.busy))


def test_gpus_are_looked_at_several_times_a_minute(process: Process) -> None:
    gpus = FakeGpus(0.5, 1.0)
    measuring = process.measured(every=0.12, gpus=gpus)
    measuring.start()
    assert gpus.looked.wait(60)
    process.answer()
    measuring.close()
    last = process.journal.events[-1]
    assert (last.gpus, last.gpu_memory_bytes) == (2, 4_000)
    told = sum(event.gpu_seconds or 0.0 for event in process.journal.events)
    assert told == pytest.approx(gpus.looks * 0.01 * 1.5)
    assert [one.busy for one in process.meters.gpus] == [0.5, 1.0]


def test_a_fault_in_measuring_does_not_end_it(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    measuring = process.measured(every=0.01)
    append, failed = process.journal.append, threading.Event()

    def fail(payloads: Sequence[bytes]) -> int:
        failed.set()
        process.journal.append = append  # type: ignore[method-assign]
        raise RuntimeError

    process.journal.append = fail  # type: ignore[method-assign]
    process.answer()
    measuring.start()
    assert failed.wait(60)
    assert process.journal.appended.wait(60)
    measuring.close()
    assert process.journal.events[0].models[0].predictions == {3: 1}
    assert "measuring failed" in caplog.text


def test_looking_at_a_hundred_tasks_takes_a_moment_and_no_lock(process: Process) -> None:
    for number in range(100):
        process.answer(task=f"task-{number}")
    process.minute()
    started = time.thread_time()
    for _ in range(10):
        process.minute()
    assert (time.thread_time() - started) / 10 < 0.02
