"""A project in virtual time: tasks of any kind, real models, predictions and outcomes through the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.config import load_settings
from tropism.core.clock import SECOND, FileClock
from tropism.core.events import Event, Outcome, Prediction, encode
from tropism.core.identity import Identifiers, task_tag
from tropism.core.task import Feature, Kind, Policy, Task, Triggers
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model
from tropism.loop.viewing.sources import Sources
from tropism.monitoring.watch.store import MonitorStore
from tropism.registry import NewVersion
from tropism.wiring import Platform

START = 1_000_000_000 * SECOND
FEATURES = (Feature("a"), Feature("b"), Feature("c", type="category"))


def task_of(kind: Kind = "binary", **fields: Any) -> Task:
    values: dict[str, Any] = {
        "features": FEATURES,
        "classes": ("low", "mid", "high") if kind == "multiclass" else (),
        "outcome_window": "5s",
        "policy": Policy(triggers=Triggers(decay_rows=100)),
    }
    return Task(name="world", kind=kind, target="y", **(values | fields))


class Stand:
    """Sends rows of which `a` decides, and what came of them three seconds later."""

    def __init__(self, folder: Path, task: Task) -> None:
        settings = load_settings(folder, {"time": {"clock": "file"}, "journal": {"fsync": "os"}}, environment={})
        self.platform = Platform(settings)
        clock = self.platform.clock
        assert isinstance(clock, FileClock)
        self.clock = clock
        self.clock.set(START)
        self.rng = np.random.default_rng(5)
        self.models: dict[int, Model] = {}
        self._ids = Identifiers()
        self.apply(task)

    @property
    def sources(self) -> Sources:
        return replace(self.platform.sources, kept=MonitorStore(self.platform.database))

    @property
    def now(self) -> int:
        return self.clock.now()

    def apply(self, task: Task) -> None:
        self.task = task
        self.platform.registry.tasks.apply(task, self.now)

    def rows(self, count: int, shift: float = 0.0, unlike: float = 0.0) -> tuple[list[dict[str, Any]], Any]:
        """Rows, `a` of them moved by `shift`, and labels; a share `unlike` of those is anything."""
        values = self.rng.normal(size=(count, 2)) + np.array([shift, 0.0])
        letters = np.array(list("xyz"))[self.rng.integers(3, size=count)].tolist()
        made = [{"a": float(a), "b": float(b), "c": c} for (a, b), c in zip(values, letters, strict=True)]
        odd = self.rng.random(count) < unlike
        truth = np.where(odd, self.rng.normal(size=count), values[:, 0] + 0.5 * self.rng.normal(size=count))
        if self.task.kind == "binary":
            return made, (truth > 0).astype(float)
        return made, np.digitize(truth, [-0.5, 0.5]).astype(float) if self.task.kind == "multiclass" else truth

    def train(self, learner: str = "linear") -> int:
        """A new champion, a second after the last row."""
        self.clock.set(self.now + SECOND)
        rows, labels = self.rows(400)
        fields = [(one.name, pa.string() if one.type == "category" else pa.float64()) for one in self.task.features]
        table = pa.Table.from_pylist(rows, schema=pa.schema(fields))
        model = fit_model(self.task, learner, Dataset(table, labels, np.arange(400), None), seed=1)
        return self.promote(store(model, self.platform.blobs), model)

    def promote(self, artifact: str, model: Model) -> int:
        new = NewVersion(model="world", artifact=artifact, learner="linear", window="all")
        version = self.platform.registry.versions.register(new, now=self.now)
        self.platform.registry.promotion.promote(
            "world",
            version,
            expected=self.platform.registry.aliases.get("world", "champion"),
            actor="ann",
            decision_id=self._ids.new(self.now, task_tag("world")),
            policy=self.task.policy,
            now=self.now,
            evidence={"reason": "it is better"},
        )
        self.models[version] = model
        return version

    def serve(
        self, count: int, *, shift: float = 0.0, unlike: float = 0.0, answered: float = 1.0, **fields: Any
    ) -> None:
        """One prediction a second by the champion, or by nobody where there is none."""
        champion = self.platform.registry.aliases.get("world", "champion")
        rows, labels = self.rows(count, shift, unlike)
        rows = [{**row, **fields} for row in rows]
        known = [{name: row.get(name) for name in self.task.feature_names} for row in rows]
        width = 3 if self.task.kind == "multiclass" else 1
        scores = np.full((count, width), 1 / max(width, 2))
        self._send(known, labels, self.models[champion].predict_rows(known) if champion else scores, champion, answered)

    def imported(self, count: int) -> None:
        """Labelled rows that nobody predicted."""
        rows, labels = self.rows(count)
        self._send(rows, labels, np.zeros((count, 0)), None, 1.0, "import")

    def _send(
        self,
        rows: list[dict[str, Any]],
        labels: Any,
        scores: Any,
        version: int | None,
        answered: float,
        variant: str = "",
    ) -> None:
        tag, events = task_tag("world"), list[Event]()
        variant = variant or ("champion" if version else "baseline")
        for row, label, score in zip(rows, labels.tolist(), scores.tolist(), strict=True):
            at = self.now + SECOND
            self.clock.set(at)
            made, late = self._ids.new(at, tag), at + 3 * SECOND
            told: dict[str, Any] = {
                "at": at,
                "features": row,
                "scores": tuple(score),
                "version": version or 0,
                "variant": variant,
            }
            events.append(Prediction(id=made, task="world", **told))
            if self.rng.random() < answered:
                key = self._ids.new(late, tag)
                events.append(Outcome(id=key, task="world", value=label, at=late, received=late, prediction_id=made))
        journal = self.platform.journal()
        try:
            journal.append([encode(event) for event in events])
        finally:
            journal.close()
        self.platform.ingest()

    def look(self) -> None:
        """A worker's look, ten seconds later, when everything has matured."""
        self.clock.set(self.now + 10 * SECOND)
        self.platform.watch.look(self.task, self.now)


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Callable[..., Stand]]:
    made: list[Stand] = []

    def make(kind: Kind = "binary", **fields: Any) -> Stand:
        made.append(Stand(tmp_path / str(len(made)), task_of(kind, **fields)))
        return made[-1]

    yield make
    for one in made:
        one.platform.database.dispose()
