"""A scoring run is killed again and again, at any moment; afterwards each row is in its output once, and counts once.

Run as a script, this file is the process that is killed. Half of the kills come while parts are scored, half while
they go into the journal. `TROPISM_FAULTS=full` kills 40 times.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.config import load_settings
from tropism.core.task import Feature, Task
from tropism.entrypoints.scoring.executing import Where, executor
from tropism.entrypoints.scoring.request import Request
from tropism.entrypoints.scoring.run import Job
from tropism.learners.artifact import load, store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.registry import NewVersion
from tropism.verification import verify
from tropism.wiring import Platform, open_platform

FULL = os.environ.get("TROPISM_FAULTS") == "full"
KILLS = 40 if FULL else 6
ROWS, PART = 40_000, 250
MOST = ROWS // PART // KILLS
"""Parts that may be done between two kills."""
TASK = Task(name="price", kind="binary", target="up", features=(Feature("a"), Feature("b")), outcome_window="1d")


def platform_of(folder: Path) -> Platform:
    return open_platform(load_settings(folder, {"journal": {"fsync": "os"}, "lake": {"durability": "os"}}, {}))


def prepare(folder: Path) -> None:
    """A project with one version, and a file of rows."""
    (folder / "tropism.toml").write_text("")
    platform = platform_of(folder)
    platform.registry.tasks.apply(TASK, platform.clock.now())
    chance = np.random.default_rng(4)
    rows = chance.normal(size=(ROWS, 2))
    table = pa.table({"a": rows[:, 0], "b": rows[:, 1]})
    labels = (rows[:500, 0] > 0).astype(np.float64)
    model = fit_model(TASK, "linear", Dataset(table.slice(0, 500), labels, np.arange(500)))
    new = NewVersion(model="price", artifact=store(model, platform.blobs), learner="linear", window="all")
    platform.registry.versions.register(new, now=platform.clock.now())
    pq.write_table(table.append_column("entity", pa.array(map(str, range(ROWS)))), folder / "rows.parquet")
    platform.database.dispose()


def request(folder: Path, **options: Any) -> Request:
    values: dict[str, Any] = {"form": "parquet", "journal": True, "part_rows": PART} | options
    return Request("price", 1, folder / "rows.parquet", folder / "scored.parquet", **values)


def score(folder: Path) -> None:
    """What the killed process does."""
    platform = platform_of(folder)
    with closing(Job(platform, request(folder))) as job:
        print("ready", len(job.finished), flush=True)  # noqa: T201
        job.run(executor(platform, job, Where(workers=2)), lambda *_: None)


def start(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """The process, once it scores, and how many parts it found done."""
    process = subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    word, count = process.stdout.readline().split()
    assert word == "ready"
    return process, int(count)


def wait_for(marks: str, more: int, process: subprocess.Popen[str], parts: Path) -> None:
    """Returns when so many more parts have a mark, or the process has ended."""
    before = len(list(parts.glob(marks)))
    while process.poll() is None and len(list(parts.glob(marks))) < before + more:
        os.sched_yield()


def children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def gone(pids: list[int], seconds: float = 20) -> bool:
    """Whether processes end by themselves."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(alive(pid) for pid in pids):
            return True
        with suppress(OSError):
            os.sched_yield()
    return False


def alive(pid: int) -> bool:
    try:
        return b"scoring.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def check_rows(platform: Platform, folder: Path) -> int:
    """Each row is in the output and counted once; rows in the lake, of which some may be there again."""
    table, rows = pq.read_table(folder / "scored.parquet"), pq.read_table(folder / "rows.parquet")
    assert table.column("entity").to_pylist() == rows.column("entity").to_pylist()
    model = load(platform.registry.versions.get("price", 1).artifact, platform.blobs)
    assert np.array_equal(table.column("probability").to_numpy(), model.predict(rows)[:, 0])
    ids = table.column("prediction_id").to_pylist()
    assert len(set(ids)) == ROWS

    platform.ingest()
    matured = platform.cohorts.matured(
        Task(**{**_fields(TASK), "unanswered": False}), now=platform.clock.now() + 2 * TASK.window
    ).table
    assert sorted(matured.column("id").to_pylist()) == sorted(ids)
    assert [check.findings for check in verify(platform) if check.name != "disk"] == [()] * 4
    return int(platform.lake.read("price/predictions", columns=["id"]).num_rows)


@pytest.mark.fault
def test_each_row_is_scored_and_counted_once_after_many_kills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(tmp_path)
    chance = random.Random(int(os.environ.get("TROPISM_FAULTS_SEED", "20263")))
    found: list[int] = []
    orphans: list[int] = []
    kills = 0
    while kills < KILLS and not (tmp_path / "scored.parquet").exists():
        process, done = start(tmp_path)
        found.append(done)
        marks = "0*.json" if kills < KILLS // 2 else "*.recorded"
        wait_for(marks, chance.randint(1, MOST), process, tmp_path / "scored.parquet.parts")
        orphans += children(process.pid)
        kills += process.poll() is None
        process.kill()
        process.communicate()
    if not (tmp_path / "scored.parquet").exists():
        process, done = start(tmp_path)
        found.append(done)
        assert process.wait(120) == 0
        process.communicate()
    assert kills == KILLS
    assert 0 < found[1] < ROWS // PART
    assert gone(orphans), "a scoring process outlived its job"
    assert not (tmp_path / "scored.parquet.parts").exists()

    platform = platform_of(tmp_path)
    journaled = check_rows(platform, tmp_path)
    platform.database.dispose()
    with capsys.disabled():
        sys.stdout.write(f"\n{kills} kills; parts found done: {found}; {journaled - ROWS} rows journaled again\n")


def _fields(task: Task) -> dict[str, Any]:
    return {name: getattr(task, name) for name in task.__struct_fields__}


@pytest.mark.fault
def test_ctrl_c_leaves_what_is_done_and_says_so(tmp_path: Path) -> None:
    prepare(tmp_path)
    command = [sys.executable, "-m", "tropism", "-C", str(tmp_path), "score", "price:1"]
    rows = pq.read_table(tmp_path / "rows.parquet")
    pq.write_table(pa.concat_tables([rows] * 200), tmp_path / "many.parquet")
    out = tmp_path / "out.parquet"
    process = subprocess.Popen(
        [*command, str(tmp_path / "many.parquet"), "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    folder = tmp_path / "out.parquet.parts"
    while process.poll() is None and not list(folder.glob("0*.json")):
        os.sched_yield()
    workers = children(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "done and kept; the same command goes on from there" in said
    assert "Traceback" not in said
    assert gone(workers)
    assert not out.exists()
    assert list(folder.glob("0*.json"))


if __name__ == "__main__":
    score(Path(sys.argv[1]))
