"""A worker dies right after a write to the registry, at one write after the other, until its cycles are done.

What it leaves is what a worker leaves that lived. Run as a script, this file is the worker that is killed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import select

from tropism.config import load_settings
from tropism.core.clock import SECOND, FileClock
from tropism.core.events import Outcome, Prediction, encode
from tropism.core.identity import derived_id, task_tag
from tropism.core.task import Feature, Gate, Policy, Task, Triggers
from tropism.loop.cycle import cycle
from tropism.loop.durable.inline import InlineWorkflows
from tropism.registry import NewJob
from tropism.storage.tables import Database
from tropism.storage.tables.schema import audit, challenges
from tropism.verification import verify
from tropism.wiring import Platform

if TYPE_CHECKING:
    from sqlalchemy import Connection

FULL = os.environ.get("TROPISM_FAULTS") == "full"
SEEDS = range(5) if FULL else range(1)
DEATHS = 100 if FULL else 5
"""Most deaths of one cycle."""
FARTHEST = 12
"""Most writes that a life may last. A whole cycle has about twice as many."""
START = 1_000_000_000 * SECOND
SETTINGS: dict[str, dict[str, Any]] = {
    "time": {"clock": "file"},
    "loop": {"automatic": False},
    "journal": {"fsync": "os", "reserve": 0},
}
TASK = Task(
    name="price",
    kind="binary",
    target="up",
    features=(Feature("demand"),),
    outcome_window="5s",
    learners=("linear",),
    policy=Policy(
        triggers=Triggers(new_outcomes=None, decay=None),
        gate=Gate(min_outcomes=50, plan=50),
        windows=("recent",),
        recent=200,
        min_training=100,
    ),
)
CYCLES = ((0, 300, True), (300, 600, True), (600, 900, False))
"""Events first to last, and whether a training is asked for after them: a first champion, a challenger, its victory."""
TURN = 300


class Mortal(Database):
    """Kills its process right after so many writes."""

    def __init__(self, url: str, writes: int) -> None:
        super().__init__(url)
        self._left = writes
        self._one = threading.Lock()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with super().begin() as connection:
            yield connection
        with self._one:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def opened(folder: Path) -> Platform:
    return Platform(load_settings(folder, SETTINGS, environment={}))


def live_once(folder: Path, job: str, writes: int) -> None:
    """What the killed process does: a worker, until the job is done."""
    platform = opened(folder)
    platform.database.migrate()
    watched = platform.database
    platform.database = Mortal(platform.settings.tables_url, writes)
    stop = threading.Event()
    worker = threading.Thread(target=platform.worker().run, args=(stop,))
    worker.start()
    with watched.read():
        pass
    while not stop.wait(0.02):
        if platform.registry.jobs.get(job).status not in ("queued", "running"):
            stop.set()
    worker.join()


def tell(platform: Platform, first: int, last: int) -> None:
    """Events into the journal: the label follows the demand, and the other way round from `TURN` on."""
    chance = np.random.default_rng(first)
    journal = platform.journal()
    tag = task_tag("price")
    for number in range(first, last):
        at = START + number * SECOND
        demand, noise = chance.normal(size=2)
        up = (demand + 0.5 * noise > 0) == (number < TURN)
        made = derived_id(at, f"p{number}", tag)
        prediction = Prediction(
            id=made, task="price", at=at, features={"demand": float(demand)}, scores=(0.5,), version=1
        )
        outcome = Outcome(
            id=derived_id(at, f"o{number}", tag),
            task="price",
            value=float(up),
            at=at,
            received=at + SECOND,
            prediction_id=made,
        )
        journal.append([encode(prediction), encode(outcome)])
    journal.close()
    assert isinstance(platform.clock, FileClock)
    platform.clock.set(START + (last + 10) * SECOND)


def key_of(last: int) -> str:
    return derived_id(START, f"cycle {last}", task_tag("price"))


def undisturbed(folder: Path) -> Platform:
    """The same cycles in a project where nothing dies."""
    platform = opened(folder)
    platform.registry.tasks.apply(TASK, START)
    workflows = InlineWorkflows({"cycle": cycle(platform.services())})
    for first, last, asked in CYCLES:
        tell(platform, first, last)
        workflows.run("cycle", key_of(last), {"task": "price", "asked": "test" if asked else None})
    return platform


def left_behind(platform: Platform) -> dict[str, Any]:
    """Everything in the registry that a cycle writes, but for what depends on how long it took."""
    registry = platform.registry
    with platform.database.read() as connection:
        trail = connection.execute(select(audit.c.action, audit.c.subject).order_by(audit.c.seq)).all()
        tests = connection.execute(select(challenges).order_by(challenges.c.id)).all()
    return {
        "decisions": [(one.id, one.kind, one.version, one.effect) for one in registry.decisions.list()],
        "versions": [(one.version, one.artifact, one.state, one.job_id) for one in registry.versions.list()],
        "aliases": registry.aliases.all("price"),
        "challenges": [tuple(row) for row in tests],
        "audit": [tuple(row) for row in trail],
    }


def live_until_done(folder: Path, job: str, chance: random.Random) -> int:
    """Lives one after the other, each killed after a few writes, until the job is done. How many were killed."""
    for death in range(1_000):
        writes = chance.randint(1, FARTHEST) if death < DEATHS else 0
        command = [sys.executable, __file__, str(folder), job, str(writes)]
        with (folder / "worker.log").open("ab") as log:
            status = subprocess.run(command, stdout=log, stderr=log, timeout=300, check=False).returncode
        if status == 0:
            return death
        assert status == -signal.SIGKILL, (folder / "worker.log").read_text()
    raise AssertionError("the cycle does not end")


@pytest.mark.fault
@pytest.mark.parametrize("seed", SEEDS)
def test_a_cycle_killed_at_its_writes_leaves_what_one_leaves_that_was_not(tmp_path: Path, seed: int) -> None:
    expected = undisturbed(tmp_path / "undisturbed")
    assert [one.version for one in expected.registry.decisions.list(kind="promote")] == [2, 1]

    platform = opened(tmp_path / "killed")
    platform.registry.tasks.apply(TASK, START)
    chance = random.Random(seed)
    deaths = 0
    for first, last, asked in CYCLES:
        tell(platform, first, last)
        request = {"task": "price", "asked": "test" if asked else None}
        platform.registry.jobs.submit(NewJob(id=key_of(last), task="price", kind="cycle", request=request), now=last)
        deaths += live_until_done(platform.settings.folder.parent, key_of(last), chance)
        job = platform.registry.jobs.get(key_of(last))
        assert (job.status, job.attempts, job.error) == ("done", 1, None)
    assert deaths >= 3
    assert left_behind(platform) == left_behind(expected)
    assert [check.findings for check in verify(platform) if check.name != "disk"] == [()] * 4
    for one in (platform, expected):
        one.database.dispose()


if __name__ == "__main__":
    live_once(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
