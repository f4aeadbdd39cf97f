from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.core.errors import ArtifactTampered, MissingExtra, NotFound, NotReady
from tropism.entrypoints.scoring.executing import Where, executor
from tropism.entrypoints.scoring.inline import Inline
from tropism.entrypoints.scoring.on_ray import OnRay, Parcel, parcel, score_packed
from tropism.entrypoints.scoring.parts import Part, ScoredPart
from tropism.entrypoints.scoring.request import Request
from tropism.entrypoints.scoring.run import Job
from tropism.wiring import Platform

Write = Callable[..., Path]
HAS_RAY = find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: pip install 'tropism[ray]'")


@pytest.fixture
def job(
    platform: Platform, register: Callable[..., int], write: Write, rows: pa.Table, tmp_path: Path
) -> Iterator[Job]:
    register()
    request = Request("payments", 1, write(rows, "rows.csv"), tmp_path / "out.parquet", "parquet", part_rows=64)
    with closing(Job(platform, request)) as made:
        yield made


def parts_of(job: Job) -> list[Part]:
    return list(job.source.parts(64, lambda index: True))


def test_a_task_needs_nothing_but_what_it_is_given(job: Job, platform: Platform) -> None:
    packed = parcel(job.plan, platform.blobs)
    expected = Inline(job.plan, platform.blobs)(parts_of(job))
    for part, scored in zip(parts_of(job), expected, strict=True):
        found = msgspec.msgpack.decode(score_packed(packed, msgspec.msgpack.encode(part)), type=ScoredPart)
        assert found == scored


def test_a_parcel_is_checked_as_a_store_is(job: Job, platform: Platform) -> None:
    found = msgspec.msgpack.decode(parcel(job.plan, platform.blobs), type=Parcel)
    with pytest.raises(NotFound):
        found.get("0" * 64)
    changed = msgspec.structs.replace(found, blobs={name: data + b" " for name, data in found.blobs.items()})
    with pytest.raises(ArtifactTampered):
        score_packed(msgspec.msgpack.encode(changed), b"")


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_ray_the_extra_is_named(job: Job, platform: Platform) -> None:
    with pytest.raises(MissingExtra) as caught:
        executor(platform, job, Where(on="ray"))
    assert "tropism[ray]" in caught.value.faults[0].fix


@needs_ray
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_gives_what_this_process_gives(
    job: Job, platform: Platform, write: Write, rows: pa.Table, tmp_path: Path
) -> None:
    scoring = executor(platform, job, Where(on="ray", workers=2))
    assert isinstance(scoring, OnRay)
    assert job.run(scoring, lambda *_: None).rows == 500
    assert not import_module("ray").is_initialized()
    alone = Request("payments", 1, tmp_path / "rows.csv", tmp_path / "alone.parquet", "parquet", part_rows=64)
    with closing(Job(platform, alone)) as other:
        other.run(Inline(other.plan, platform.blobs), lambda *_: None)
    assert pq.read_table(tmp_path / "out.parquet").equals(pq.read_table(tmp_path / "alone.parquet"))


@needs_ray
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_is_not_there_is_told(job: Job, platform: Platform) -> None:
    with pytest.raises(NotReady, match="Ray cannot be reached"):
        OnRay(job.plan, platform.blobs, "127.0.0.1:1", None)


@needs_ray
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_runs_is_used_and_left_running(job: Job, platform: Platform) -> None:
    ray = import_module("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        expected = list(Inline(job.plan, platform.blobs)(parts_of(job)))
        found = OnRay(job.plan, platform.blobs, None, None)(iter(parts_of(job)))
        assert sorted(found, key=lambda one: one.index) == expected
        assert ray.is_initialized()
    finally:
        ray.shutdown()
