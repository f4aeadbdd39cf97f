"""A project whose champion is the model that the benchmarks serve, and rows to ask about."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tropism.config import load_settings
from tropism.core.identity import derived_id
from tropism.core.task import Feature, Policy, Task
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.registry import NewVersion
from tropism.wiring import Platform, open_platform

TASK = "bench"
NAMES = [f"f{index}" for index in range(20)]
TREES, LEAVES = 200, 31
PARAMETERS = {"num_trees": TREES, "num_leaves": LEAVES, "learning_rate": 0.1, "min_data_in_leaf": 20}
TRAINING_ROWS = 20_000
ASKED_ROWS = 512
SEED = 3
DESCRIPTION: dict[str, Any] = {
    "library": "lightgbm", "objective": "binary", "trees": TREES, "leaves": LEAVES, "features": len(NAMES),
    "feature_type": "number, standard normal, 6 decimals", "training_rows": TRAINING_ROWS,
    "asked_rows": ASKED_ROWS, "seed": SEED,
}  # fmt: skip


class Served(NamedTuple):
    """What is served. `text`: the model as LightGBM writes it; `scores`: what LightGBM's own package says of `rows`."""

    text: bytes
    rows: list[list[float]]
    scores: list[float]


def make_project(folder: Path, toml: str = "") -> Served:
    """Makes a project with settings `toml`, trains the model and makes it the champion; what was there is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "tropism.toml").write_text(toml)
    platform = open_platform(load_settings(folder, environment={}))
    random = np.random.default_rng(SEED)
    task = Task(name=TASK, kind="binary", target="y", features=tuple(Feature(name) for name in NAMES))
    model = fit_model(task, "lightgbm", _history(random), parameters=PARAMETERS, seed=SEED)
    platform.registry.tasks.apply(task, platform.clock.now())
    promote(platform, store(model, platform.blobs))
    platform.database.dispose()
    rows = _rows(random, ASKED_ROWS)
    text = model.estimator.export()["model.txt"]
    booster = lightgbm.Booster(model_str=text.decode())
    assert booster.num_trees() == TREES, "training ended before all trees were grown"
    return Served(text, rows.tolist(), np.asarray(booster.predict(rows)).tolist())


def promote(platform: Platform, artifact: str) -> None:
    now = platform.clock.now()
    new = NewVersion(model=TASK, artifact=artifact, learner="lightgbm", window="all", job_id="bench")
    version = platform.registry.versions.register(new, now=now)
    decision = derived_id(now, "bench")
    platform.registry.promotion.promote(
        TASK, version, expected=None, actor="bench", decision_id=decision, policy=Policy(), now=now
    )


def _rows(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    return random.normal(size=(count, len(NAMES))).round(6)


def _history(random: np.random.Generator) -> Dataset:
    """Labels that depend on all features, on one of them in waves, and on chance."""
    rows = _rows(random, TRAINING_ROWS)
    odds = rows @ random.normal(size=len(NAMES)) / 3 + np.sin(2 * rows[:, 0]) * rows[:, 1]
    labels = (random.random(TRAINING_ROWS) < 1 / (1 + np.exp(-odds))).astype(float)
    columns = dict(zip(NAMES, rows.T, strict=True))
    return Dataset(pa.table(columns), labels, np.arange(TRAINING_ROWS, dtype=np.int64))
