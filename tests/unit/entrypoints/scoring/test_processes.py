from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from tropism.core.errors import ArtifactTampered, InvalidInput, NotReady
from tropism.core.task import Task
from tropism.entrypoints.scoring.executing import Where, executor
from tropism.entrypoints.scoring.inline import Inline
from tropism.entrypoints.scoring.parts import Part, ScoredPart
from tropism.entrypoints.scoring.processes import Processes
from tropism.entrypoints.scoring.request import Request
from tropism.entrypoints.scoring.run import Job
from tropism.wiring import Platform

Write = Callable[..., Path]


@pytest.fixture
def job(
    platform: Platform, register: Callable[..., int], write: Write, rows: pa.Table, tmp_path: Path
) -> Iterator[Job]:
    register()
    request = Request("payments", 1, write(rows, "rows.csv"), tmp_path / "out.csv", "csv", part_rows=64)
    with closing(Job(platform, request)) as made:
        yield made


def parts_of(job: Job) -> list[Part]:
    return list(job.source.parts(64, lambda index: True))


def test_processes_give_what_this_process_gives(job: Job, platform: Platform, tmp_path: Path) -> None:
    expected = list(Inline(job.plan, platform.blobs)(parts_of(job)))
    found = list(Processes(job.plan, platform.settings.blobs_url, 2, tmp_path / "log")(parts_of(job)))
    assert sorted(found, key=lambda one: one.index) == expected
    assert len(expected) == 8


def test_a_process_that_dies_is_told_with_its_rows(job: Job, platform: Platform, tmp_path: Path) -> None:
    def parts() -> Iterator[Part]:
        for part in parts_of(job):
            if part.index == 3:
                for child in children():
                    os.kill(child, signal.SIGKILL)
            yield part

    processes = Processes(job.plan, platform.settings.blobs_url, 1, tmp_path / "log")
    with pytest.raises(NotReady, match="a scoring process ended with signal 9") as caught:
        list(processes(parts()))
    assert "the same command goes on" in caught.value.faults[0].fix
    assert list(children()) == []


def children() -> Iterator[int]:
    """Processes that this one has begun and that live."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            if entry.name.isdigit() and int(status[1]) == os.getpid() and status[0] != "Z":
                yield int(entry.name)


def test_processes_end_when_nobody_wants_their_results(job: Job, platform: Platform, tmp_path: Path) -> None:
    scored = Processes(job.plan, platform.settings.blobs_url, 2, tmp_path / "log")(parts_of(job))
    first = next(iter(scored))
    assert isinstance(first, ScoredPart)
    assert len(list(children())) == 2
    scored.close()  # type: ignore[attr-defined]
    assert list(children()) == []


def test_a_model_that_cannot_be_loaded_is_told(job: Job, platform: Platform, tmp_path: Path) -> None:
    artifact = platform.settings.folder / "blobs" / job.plan.artifact[:2] / job.plan.artifact
    artifact.write_bytes(artifact.read_bytes() + b" ")
    with pytest.raises(ArtifactTampered):
        list(Processes(job.plan, platform.settings.blobs_url, 2, tmp_path / "log")(parts_of(job)))


def test_what_is_wrong_with_rows_comes_back_as_it_is(job: Job, platform: Platform, tmp_path: Path) -> None:
    strict = msgspec.structs.replace(job.plan, task=_without_nulls(job.plan.task))
    parts = parts_of(job)[:3]
    (expected, *_) = Inline(strict, platform.blobs)(parts)
    found = list(Processes(strict, platform.settings.blobs_url, 1, tmp_path / "log")(parts))
    assert found[0] == expected
    assert found[0].problem is not None
    error = found[0].problem.error()
    assert type(error) is InvalidInput
    assert error.message.startswith("feature 'amount' is not a number")


def _without_nulls(task: Task) -> Task:
    amount, *others = task.features
    return msgspec.structs.replace(task, features=(msgspec.structs.replace(amount, nullable=False), *others))


def test_small_files_are_scored_here(
    platform: Platform, job: Job, write: Write, rows: pa.Table, tmp_path: Path
) -> None:
    assert isinstance(executor(platform, job, Where()), Processes)
    request = Request("payments", 1, write(rows.slice(0, 64), "few.csv"), tmp_path / "few.out", "csv", part_rows=64)
    with closing(Job(platform, request)) as small:
        assert isinstance(executor(platform, small, Where()), Inline)
        assert small.run(executor(platform, small, Where()), lambda *_: None).rows == 64
