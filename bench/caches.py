"""1,000 registered tasks of which 50 are live, versions asked for beside them, and scores that are kept.

Run: python bench/caches.py [tasks] [live]
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
import pyarrow as pa

from tropism.config import load_settings
from tropism.core.identity import Identifiers
from tropism.core.task import Feature, Policy, Task
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model, Signature
from tropism.registry.versions import NewVersion
from tropism.serving import Deployment, ServedModel, SnapshotLoader
from tropism.serving.model_cache import ModelCache
from tropism.serving.prediction_cache import PredictionCache
from tropism.serving.predictor import Predictor
from tropism.wiring import Platform, open_platform

FEATURES = tuple(Feature(f"x{number}") for number in range(8))
DRAW = np.random.default_rng(0)
ROWS = DRAW.normal(size=(2_000, len(FEATURES)))
SIZE = 100


def task_of(number: int) -> Task:
    return Task(name=f"task-{number:04}", kind="binary", target="y", features=FEATURES)


def fitted(learner: str, **parameters: int) -> Model:
    table = pa.table({feature.name: ROWS[:, place] for place, feature in enumerate(FEATURES)})
    labels = (ROWS[:, 0] + ROWS[:, 1] * ROWS[:, 2] > 0).astype(np.float64)
    return fit_model(task_of(0), learner, Dataset(table, labels, np.arange(len(labels))), parameters=parameters)


def memory() -> float:
    """MiB that are resident now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def register(platform: Platform, model: Model, tasks: int, live: int) -> None:
    """A model for each task, and a second one, not live, for the first; the first `live` tasks get a champion."""
    for number in range(tasks):
        task = task_of(number)
        platform.registry.tasks.apply(task, 1)
        signature = Signature(task.name, task.kind)
        own = Model(signature, model.origin, model.encoding, model.estimator, model.calibration, model.sample)
        artifact = store(own, platform.blobs)
        for _ in range(2 if number == 0 else 1):
            facts = msgspec.to_builtins(signature)
            new = NewVersion(model=task.name, artifact=artifact, learner="lightgbm", window="all", signature=facts)
            platform.registry.versions.register(new, now=2)
        if number < live:
            promote(platform, task.name, 1, None)


def promote(platform: Platform, name: str, version: int, expected: int | None) -> None:
    made, move = Identifiers().new(3), platform.registry.promotion.promote
    move(name, version, expected=expected, actor="bench", decision_id=made, policy=Policy(), now=3)


def snapshots(platform: Platform, live: int) -> None:
    fetched: list[str] = []

    def fetch(task: Task, version: int) -> Model:
        fetched.append(task.name)
        return platform.fetch(task, version)

    loader = SnapshotLoader(platform.registry.aliases.generation, platform.live, fetch)
    before, started = memory(), time.perf_counter()
    snapshot = loader()
    took = time.perf_counter() - started
    served = sum(one.served is not None for one in snapshot.deployments.values())
    assert (served, len(fetched)) == (live, live)
    print(
        f"first snapshot: {len(snapshot.deployments)} tasks, {served} live: {took:.2f} s, {memory() - before:.1f} MiB"
    )
    fetched.clear()
    promote(platform, "task-0000", 2, 1)
    started = time.perf_counter()
    after = loader()
    took = time.perf_counter() - started
    assert fetched == ["task-0000"], fetched
    assert after.deployments["task-0001"].served is snapshot.deployments["task-0001"].served
    print(f"one swapped: {took * 1e3:.0f} ms, of {live} live models {len(fetched)} was loaded")


async def versions(platform: Platform, tasks: int, live: int) -> None:
    cache = ModelCache(platform.fetch, SIZE)
    deployments = [Deployment(task_of(number)) for number in range(live, tasks)]
    times, before = [], memory()
    for number, deployment in enumerate(deployments, 1):
        started = time.perf_counter()
        await cache.get(deployment, 1)
        times.append(time.perf_counter() - started)
        if number in (SIZE, len(deployments)):
            print(f"{number} versions asked for, {len(cache.kept)} kept: {memory() - before:.1f} MiB more")
    started = time.perf_counter()
    for _ in range(10_000):
        await cache.get(deployments[-1], 1)
    hit = (time.perf_counter() - started) / 10_000
    print(f"a version that is not kept: {median(times) * 1e3:.1f} ms; one that is: {hit * 1e6:.2f} µs")


def kept_scores(name: str, model: Model) -> None:
    """µs a row of a model, of a cache that misses, and of one that hits."""
    rows = [{feature.name: float(value) for feature, value in zip(FEATURES, row, strict=True)} for row in ROWS]
    deployment = Deployment(task_of(0), ServedModel(1, model))
    plain, cached = Predictor(), Predictor(cache=PredictionCache(len(rows), 600.0))
    found = {"without": _each(plain, deployment, rows), "misses": _each(cached, deployment, rows)}
    found["hits"] = _each(cached, deployment, rows)
    print(f"{name}: " + ", ".join(f"{what} {took:.1f} µs" for what, took in found.items()))


def _each(predictor: Predictor, deployment: Deployment, rows: list[dict[str, float]]) -> float:
    times = []
    for row in rows:
        started = time.perf_counter()
        predictor.answer(deployment, [row], [0])  # type: ignore[list-item]
        times.append(time.perf_counter() - started)
    return median(times) * 1e6


def main(tasks: int = 1_000, live: int = 50) -> None:
    model = fitted("lightgbm", num_trees=50)
    with tempfile.TemporaryDirectory() as folder:
        platform = open_platform(load_settings(folder, environment={}))
        started = time.perf_counter()
        register(platform, model, tasks, live)
        print(f"{tasks} tasks and models registered: {time.perf_counter() - started:.1f} s")
        snapshots(platform, live)
        asyncio.run(versions(platform, tasks, live))
        platform.database.dispose()
    kept_scores("linear", fitted("linear"))
    kept_scores("lightgbm, 200 trees", fitted("lightgbm", num_trees=200))
    kept_scores("random-forest, 100 deep trees", fitted("random-forest"))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
