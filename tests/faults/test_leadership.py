"""Workers that share a project, and a worker that comes back: one leader a task, and no job is given up for waiting."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tropism.config import load_settings
from tropism.core.clock import SECOND
from tropism.core.identity import derived_id
from tropism.core.task import Feature, Task
from tropism.loop.cycle import CycleResult
from tropism.loop.durable.base import Workflows
from tropism.loop.observe import Observation, observe
from tropism.loop.settings import LoopSettings
from tropism.loop.worker import Worker
from tropism.registry import Job, NewJob
from tropism.wiring import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.fault

TASK = Task(name="price", kind="binary", target="up", features=(Feature("demand"),))
LEASE = 400_000
"""µs. A worker that is not heard of for two of them is taken for dead."""
DEADLINE = 60.0


class SlowCycles(Workflows):
    """Cycles that end when they are allowed to; notes which run, and whether two ran at once."""

    def __init__(self, seen: Observation) -> None:
        self._result = CycleResult(
            observation=seen,
            reasons=(),
            waiting="",
            trained=None,
            failure="",
            verdicts=(),
            decisions=(),
            fits=0,
            cpu_seconds=0,
        )
        self.go_on = threading.Event()
        self.begun: list[str] = []
        self.most = 0
        self._running = 0
        self._lock = threading.Lock()

    def run(self, name: str, key: str, argument: Any) -> Any:
        with self._lock:
            self.begun.append(key)
            self._running += 1
            self.most = max(self.most, self._running)
        assert self.go_on.wait(DEADLINE)
        with self._lock:
            self._running -= 1
        return msgspec.to_builtins(self._result)

    def forget(self, keep: int) -> None: ...

    def close(self) -> None: ...


class Office:
    """A project with jobs, and workers that are started in threads."""

    def __init__(self, folder: Path) -> None:
        self.platform = Platform(load_settings(folder, environment={}))
        self.platform.registry.tasks.apply(TASK, 0)
        self.cycles = SlowCycles(observe(self.platform.services(), TASK))
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def submit(self, number: int) -> str:
        key = derived_id(number, f"job {number}")
        self.platform.registry.jobs.submit(NewJob(id=key, task="price", kind="cycle", request={"task": "price"}), now=1)
        return key

    def job(self, key: str) -> Job:
        return self.platform.registry.jobs.get(key)

    def start(self, name: str) -> None:
        settings = LoopSettings(name=name, automatic=False, lease="400ms", ingest_every="1h", maintain_every="1h")
        services = self.platform.services()
        services = type(services)(**{**vars(services), "holder": name})
        worker = Worker(services, self.cycles, settings, maintain=lambda: None)
        thread = threading.Thread(target=worker.run, args=(self._stop,))
        thread.start()
        self._threads.append(thread)

    def close(self) -> None:
        self.cycles.go_on.set()
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.platform.database.dispose()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.close()


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    pause = threading.Event()
    while not true():
        assert time.monotonic() < deadline, what
        pause.wait(0.02)


@pytest.mark.parametrize("names", [("first", "second"), ("first",)], ids=["two workers", "one worker"])
def test_a_job_that_waits_for_its_turn_is_neither_lost_nor_given_up(office: Office, names: tuple[str, ...]) -> None:
    keys = [office.submit(1), office.submit(2)]
    for name in names:
        office.start(name)
    until(lambda: all(office.job(key).status == "running" for key in keys), "the jobs are not taken")
    began = office.platform.real.now()
    until(lambda: office.platform.real.now() > began + 8 * LEASE, "time stands still")
    assert [(office.job(key).status, office.job(key).attempts) for key in keys] == [("running", 1)] * 2
    assert len(office.cycles.begun) == 1

    office.cycles.go_on.set()
    until(lambda: all(office.job(key).status == "done" for key in keys), "the jobs do not end")
    assert sorted(office.cycles.begun) == sorted(keys)
    assert office.cycles.most == 1


def test_a_worker_that_was_long_dead_goes_on_with_its_own_job(office: Office) -> None:
    key = office.submit(1)
    long_ago = office.platform.real.now() - 3_600 * SECOND
    assert office.platform.registry.jobs.claim(("cycle",), "first", long_ago) is not None
    assert office.platform.registry.leases.acquire("task:price", "first", LEASE, long_ago) is not None
    office.start("first")
    office.cycles.go_on.set()
    until(lambda: office.job(key).status == "done", "the job does not end")
    assert (office.job(key).attempts, office.cycles.begun) == (1, [key])


def test_a_job_of_a_dead_worker_is_taken_by_another(office: Office) -> None:
    key = office.submit(1)
    now = office.platform.real.now()
    office.platform.registry.jobs.claim(("cycle",), "dead", now)
    office.platform.registry.leases.acquire("task:price", "dead", LEASE, now)
    office.start("second")
    office.cycles.go_on.set()
    until(lambda: office.job(key).status == "done", "the job does not end")
    assert (office.job(key).attempts, office.job(key).holder) == (2, "second")
