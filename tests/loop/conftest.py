"""A whole project in one process, in virtual time: the real stores and the real cycle, without servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from tropism.config import load_settings
from tropism.core.clock import FileClock
from tropism.core.events import Outcome, Prediction, Value, encode
from tropism.core.identity import Identifiers, derived_id, task_tag
from tropism.core.task import Feature, Gate, Policy, Task, Triggers
from tropism.loop.cycle import CycleResult, cycle
from tropism.loop.durable.inline import InlineWorkflows
from tropism.wiring import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

collect_ignore = ["mlflow_calls.py"]
"""Runs in an environment of its own, which has mlflow."""
SECOND = 1_000_000
START = 1_000_000_000 * SECOND


def drifting_task(**policy: Any) -> Task:
    """A binary task that asks for little evidence, so that tests are short."""
    values: dict[str, Any] = {
        "triggers": Triggers(new_outcomes=400, decay=0.5, decay_rows=100, cooldown=100),
        "gate": Gate(max_outcomes=1_000),
        "recent": 400,
        "min_training": 200,
        "windows": ("recent",),
    }
    return Task(
        name="world",
        kind="binary",
        target="up",
        features=(Feature("a"), Feature("b"), Feature("c", type="category")),
        outcome_window="5s",
        learners=("linear",),
        policy=Policy(**(values | policy)),
    )


class World:
    """Sends predictions, one a second, made by whatever is live, and their outcomes three seconds later.

    The truth follows `a` while `sign` is 1, and turns when it is set to -1.
    """

    def __init__(self, folder: Path, task: Task) -> None:
        settings = load_settings(folder, {"time": {"clock": "file"}, "journal": {"fsync": "os"}}, environment={})
        self.platform = Platform(settings)
        clock = self.platform.clock
        assert isinstance(clock, FileClock)
        self.clock = clock
        self.clock.set(START)
        self.task = task
        self.platform.registry.tasks.apply(task, START)
        self.services = self.platform.services()
        self.workflows = InlineWorkflows({"cycle": cycle(self.services)})
        self.sign = 1
        self.asked = 0
        self.rng = np.random.default_rng(7)
        self._journal = self.platform.journal()
        self._ids = Identifiers()
        self._load = self.platform.snapshot_loader()

    def close(self) -> None:
        self._journal.close()
        self.platform.database.dispose()

    def live(self, count: int) -> None:
        """Let `count` seconds pass."""
        tag = task_tag(self.task.name)
        deployment = self._load().deployment(self.task.name)
        for _ in range(count):
            now = self.clock.now() + SECOND
            self.clock.set(now)
            a, b = self.rng.normal(size=2)
            features: dict[str, Value] = {"a": float(a), "b": float(b), "c": "xyz"[int(self.rng.integers(3))]}
            served = deployment.served
            scores = tuple(served.model.predict_rows([features])[0].tolist()) if served else deployment.baseline
            made = self._ids.new(now, tag)
            version = served.version if served else 0
            prediction = Prediction(
                id=made, task=self.task.name, at=now, features=features, scores=scores, version=version
            )
            truth = float(self.sign * a + 0.5 * self.rng.normal() > 0)
            late = now + 3 * SECOND
            outcome = Outcome(
                id=self._ids.new(now, tag),
                task=self.task.name,
                value=truth,
                at=late,
                received=late,
                prediction_id=made,
            )
            self._journal.append([encode(prediction), encode(outcome)])

    def cycle(self, asked: str | None = None) -> CycleResult:
        """One turn of the loop."""
        self.asked += 1
        key = derived_id(self.clock.now(), f"cycle {self.asked}", task_tag(self.task.name))
        result = self.workflows.run("cycle", key, {"task": self.task.name, "asked": asked})
        return msgspec.convert(result, CycleResult)

    def run(self, seconds: int, every: int = 50) -> list[CycleResult]:
        """Live and look in turn."""
        results = []
        for _ in range(seconds // every):
            self.live(every)
            results.append(self.cycle())
        return results

    @property
    def champion(self) -> int | None:
        return self.platform.registry.aliases.get(self.task.name, "champion")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**policy: Any) -> World:
        made.append(World(tmp_path / str(len(made)), drifting_task(**policy)))
        return made[-1]

    yield make
    for one in made:
        one.close()
