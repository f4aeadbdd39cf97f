"""How fast a file is scored, beside LightGBM's own `Booster.predict` on the same rows. Run: python bench/scoring.py

A million rows of twenty numbers in a Parquet file, 200 trees of 31 leaves. Ours reads the file, checks every row,
scores it and writes the results, in 1 and in as many processes as there are cores; `Booster.predict` has the rows in
memory already and writes nothing: it is the limit, and a ratio of 1 would mean that all else costs nothing. Rounds
are interleaved and the best of each counts: of seconds, and of CPU seconds, which others on the machine disturb less.
Writes bench/results/scoring.json. `--rows N` for fewer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tropism.config import load_settings
from tropism.core.identity import Identifiers, task_tag
from tropism.core.task import Feature, Task
from tropism.entrypoints.scoring.executing import Where, executor
from tropism.entrypoints.scoring.request import Request
from tropism.entrypoints.scoring.run import Job, cores
from tropism.learners.artifact import load, store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.registry import NewVersion
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tropism.wiring import Platform

RESULTS = Path(__file__).resolve().parent / "results" / "scoring.json"
WIDTH, TREES, LEAVES = 20, 200, 31
ROUNDS = 3
NAMES = [f"x{index}" for index in range(WIDTH)]
TASK = Task(name="price", kind="binary", target="up", features=tuple(map(Feature, NAMES)))


def table(matrix: NDArray[np.float64]) -> pa.Table:
    return pa.table({name: matrix[:, index] for index, name in enumerate(NAMES)})


def project(folder: Path) -> Platform:
    """A project with a champion."""
    (folder / "tropism.toml").write_text("")
    platform = open_platform(load_settings(folder, environment={}))
    now = platform.clock.now()
    platform.registry.tasks.apply(TASK, now)
    chance = np.random.default_rng(0)
    matrix = chance.normal(size=(20_000, WIDTH))
    labels = (matrix[:, :5].sum(axis=1) + chance.normal(size=len(matrix)) > 0).astype(np.float64)
    size = {"num_trees": TREES, "num_leaves": LEAVES}
    model = fit_model(TASK, "lightgbm", Dataset(table(matrix), labels, np.arange(len(labels))), parameters=size)
    new = NewVersion(model=TASK.name, artifact=store(model, platform.blobs), learner="lightgbm", window="all")
    version = platform.registry.versions.register(new, now=now)
    platform.registry.promotion.promote(
        TASK.name,
        version,
        expected=None,
        actor="bench",
        decision_id=Identifiers().new(now, task_tag(TASK.name)),
        policy=TASK.policy,
        now=now,
    )
    return platform


class Took(NamedTuple):
    """Seconds, and CPU seconds of this process and of those that it waited for."""

    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Took:
    before, begun = os.times(), time.perf_counter()
    work()
    after = os.times()
    return Took(time.perf_counter() - begun, sum(after[:4]) - sum(before[:4]))


def score(platform: Platform, data: Path, workers: int, journal: bool = False) -> None:
    """A whole job."""
    out = data.with_name(f"scored-{workers}.parquet")
    with closing(Job(platform, Request(TASK.name, None, data, out, "parquet", journal=journal))) as job:
        job.run(executor(platform, job, Where(workers=workers)), lambda *_: None)


_PEAK = """
import json, os, sys, threading
from pathlib import Path
from tropism.entrypoints.cli.run_score import run_score

def high_water(pid):
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
    except OSError:
        return 0.0

def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""

found, over = {"own_mib": 0.0, "worker_mib": 0.0}, threading.Event()

def watch():
    while not over.wait(0.02):
        for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
            if b"scoring.worker" in command_of(child):  # before that it has the memory that it was forked from
                found["worker_mib"] = max(found["worker_mib"], high_water(child))

threading.Thread(target=watch, daemon=True).start()
options = dict.fromkeys(["version", "form", "skip_bad", "address"])
options |= {"keep": (), "ignore": (), "journal": False, "resume": True, "on": "processes", "workers": int(sys.argv[3])}
data = Path(sys.argv[2])
run_score(Path(sys.argv[1]), "price", data, data.with_name("peak.parquet"), **options)
over.set()
found["own_mib"] = high_water("self")
print(json.dumps({name: round(value) for name, value in found.items()}))
"""


def peak(folder: Path, data: Path, workers: int) -> dict[str, float]:
    """Most memory of a job's own process and of the largest of its workers, MiB, in a run of its own."""
    command = [sys.executable, "-c", _PEAK, str(folder), str(data), str(workers)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(said.splitlines()[-1]))


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        platform = project(folder)
        matrix = np.random.default_rng(1).normal(size=(rows, WIDTH))
        data = folder / "rows.parquet"
        pq.write_table(table(matrix), data)
        model = load(platform.registry.versions.get(TASK.name, 1).artifact, platform.blobs)
        booster = lightgbm.Booster(model_str=model.estimator.export()["model.txt"].decode())
        booster.predict(matrix[:1000])
        both = sorted({1, cores()})
        times: dict[str, list[Took]] = defaultdict(list)
        for _ in range(ROUNDS):
            for count in both:
                times[f"ours_{count}"].append(timed(partial(score, platform, data, count)))
                times[f"booster_{count}"].append(timed(partial(booster.predict, matrix, num_threads=count)))
            journaled = partial(score, platform, data, both[-1], journal=True)
            times[f"ours_{both[-1]}_journal"].append(timed(journaled))
        best = {key: Took(min(one.wall for one in all_), min(one.cpu for one in all_)) for key, all_ in times.items()}
        report(rows, best, both, peak(folder, data, both[-1]))


def report(rows: int, best: dict[str, Took], both: list[int], memory: dict[str, float]) -> None:
    ratios = {
        str(count): {
            "speed": round(best[f"booster_{count}"].wall / best[f"ours_{count}"].wall, 3),
            "cpu": round(best[f"ours_{count}"].cpu / best[f"booster_{count}"].cpu, 3),
        }
        for count in both
    }
    found: dict[str, Any] = {"rows": rows, "features": WIDTH, "trees": TREES, "leaves": LEAVES, "memory": memory}
    found["ratio_to_booster"] = ratios
    for key, took in sorted(best.items()):
        micros = took.cpu / rows * 1e6
        found[key] = {"rows_per_second": round(rows / took.wall), "cpu_us_row": round(micros, 2)}
        print(f"{key:16} {took.wall:7.2f} s  {rows / took.wall:10,.0f} rows/s  {micros:6.2f} us of CPU a row")
    for count, ratio in ratios.items():
        print(f"with {count}: {ratio['speed']:.2f} of LightGBM's own speed, {ratio['cpu']:.2f} times its CPU time")
    print(f"memory: {memory['own_mib']:.0f} MiB in the job, {memory['worker_mib']:.0f} MiB in a worker")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[2]) if "--rows" in sys.argv else 1_000_000)
