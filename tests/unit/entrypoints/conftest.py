"""A project as `tropism init` makes it, its platform, and models, predictions and outcomes to fill it with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.config import load_settings
from tropism.core.clock import SECOND
from tropism.core.events import Outcome, Prediction, encode
from tropism.core.identity import Identifiers, task_tag
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.server import free_ports
from tropism.entrypoints.cli.scaffold import scaffold
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model
from tropism.project import load_project
from tropism.registry import NewVersion
from tropism.wiring import Platform, apply_project, open_platform

DAY = 86_400 * SECOND


def features(number: int) -> dict[str, Any]:
    return {"amount": float(number % 50), "country": "NLBEDE"[number % 3 * 2 :][:2], "hour": 3.0, "new_device": True}


@functools.cache
def _fitted(seed: int) -> Model:
    """A linear model by which larger amounts are likelier to be fraud."""
    inputs = (
        Feature("amount"),
        Feature("country", type="category"),
        Feature("hour"),
        Feature("new_device", type="boolean"),
    )
    task = Task(name="payments", kind="binary", target="is_fraud", features=inputs)
    random = np.random.default_rng(seed)
    rows = [features(int(number)) for number in random.integers(50, size=200)]
    labels = np.array([float(row["amount"] + 10 * random.normal() > 25) for row in rows])
    return fit_model(task, "linear", Dataset(pa.Table.from_pylist(rows), labels, np.arange(200), None), seed=seed)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder of a project with the task `payments`; nothing is stored yet."""
    folder = tmp_path / "shop"
    scaffold(folder)
    port, control = free_ports(2)
    settings = f'[http]\nport = {port}\ncontrol_port = {control}\n[journal]\nfsync = "os"\n[lake]\ndurability = "os"\n'
    (folder / "tropism.toml").write_text(settings)
    return folder


@pytest.fixture
def platform(project: Path) -> Iterator[Platform]:
    """The project's parts, its task applied."""
    settings = load_settings(project, environment={})
    apply_project(settings)
    made = open_platform(settings)
    yield made
    made.database.dispose()


@pytest.fixture
def payments(project: Path) -> Task:
    return load_project(project / "project.py")[0]


@pytest.fixture
def register(platform: Platform) -> Callable[..., int]:
    """Registers a version of `payments`, a real model of its own for each seed."""

    def one(seed: int = 1, **fields: Any) -> int:
        values: dict[str, Any] = {
            "model": "payments",
            "artifact": store(_fitted(seed), platform.blobs),
            "learner": "linear",
            "window": "all",
            "metrics": {"loss": 0.12 + seed / 100, "baselines": {"majority": 0.24, "last-label": 0.4}},
            "data": {"rows": 200 + seed, "sha256": f"{seed}" * 64},
        }
        return platform.registry.versions.register(NewVersion(**(values | fields)), now=platform.clock.now())

    return one


@pytest.fixture
def promote(platform: Platform, payments: Task) -> Callable[..., str]:
    """Promotes a version; the id of the decision."""

    def one(version: int, at: int | None = None, evidence: dict[str, Any] | None = None) -> str:
        now = platform.clock.now() if at is None else at
        decision = Identifiers().new(now, task_tag("payments"))
        platform.registry.promotion.promote(
            "payments",
            version,
            expected=platform.registry.aliases.get("payments", "champion"),
            actor="ann",
            decision_id=decision,
            policy=payments.policy,
            now=now,
            evidence=evidence,
        )
        return decision

    return one


@pytest.fixture
def live(platform: Platform) -> Callable[..., list[str]]:
    """Journals predictions of a version and outcomes for the first `answered` of them, and moves them to the lake."""

    def some(count: int, version: int = 0, days_ago: float = 8, answered: int | None = None) -> list[str]:
        identifiers, tag = Identifiers(), task_tag("payments")
        begun = platform.clock.now() - int(days_ago * DAY)
        events: list[Prediction | Outcome] = []
        for number in range(count):
            at = begun + number * SECOND
            made = identifiers.new(at, tag)
            events.append(
                Prediction(
                    id=made,
                    task="payments",
                    at=at,
                    features=features(number),
                    scores=(0.2 + 0.6 * (number % 2),),
                    version=version,
                    variant="champion" if version else "baseline",
                )
            )
            if number < (count if answered is None else answered):
                later = at + 60 * SECOND
                answer = identifiers.new(later, tag)
                value = float(number % 2)
                events.append(
                    Outcome(id=answer, task="payments", value=value, at=later, received=later, prediction_id=made)
                )
        journal = platform.journal()
        try:
            journal.append([encode(event) for event in events])
        finally:
            journal.close()
        platform.ingest()
        return [event.id for event in events if isinstance(event, Prediction)]

    return some
