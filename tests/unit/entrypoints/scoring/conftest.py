"""Files of rows for the task `payments`, and jobs that score them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from tropism.entrypoints.scoring.executing import Where, executor
from tropism.entrypoints.scoring.inline import Inline
from tropism.entrypoints.scoring.parts import Part, ScoredPart
from tropism.entrypoints.scoring.request import Request
from tropism.entrypoints.scoring.run import Job, Summary
from tropism.serving.tabular import encode
from tropism.wiring import Platform

Write = Callable[..., Path]
Score = Callable[..., Summary]


@pytest.fixture
def rows() -> pa.Table:
    """Five hundred rows with gaps, categories that no model has met, and a customer each."""
    chance = np.random.default_rng(7)
    count = 500
    return pa.table(
        {
            "amount": pa.array(chance.exponential(40, count), mask=chance.random(count) < 0.1),
            "country": pa.array(chance.choice(["NL", "BE", "DE", "XX"], count), mask=chance.random(count) < 0.1),
            "hour": pa.array(chance.integers(0, 24, count)),
            "new_device": chance.random(count) < 0.5,
            "entity": [f"card-{number}" for number in range(count)],
        }
    )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def one(table: pa.Table, name: str, **options: Any) -> Path:
        path = tmp_path / name
        if path.suffix == ".csv":
            pacsv.write_csv(table, path)
        elif path.suffix == ".parquet":
            pq.write_table(table, path, **options)
        elif path.suffix == ".jsonl":
            path.write_bytes(encode(table, "application/jsonl"))
        else:
            kind = "file" if path.suffix == ".arrow" else "stream"
            path.write_bytes(encode(table, f"application/vnd.apache.arrow.{kind}"))
        return path

    return one


@pytest.fixture
def score(platform: Platform, register: Callable[..., int], tmp_path: Path) -> Score:
    """Scores a file with the only version there is, 64 rows a part; in this process unless told `where`."""
    if not platform.registry.versions.list("payments"):
        register()

    def one(data: Path, out: str = "scored.parquet", where: Where | None = None, **options: Any) -> Summary:
        form = options.pop("form", "parquet")
        progress = options.pop("progress", lambda *_: None)
        values: dict[str, Any] = {"version": 1, "part_rows": 64} | options
        request = Request(task="payments", data=data, out=tmp_path / out, form=form, **values)
        with closing(Job(platform, request)) as job:
            scoring = Inline(job.plan, platform.blobs) if where is None else executor(platform, job, where)
            return job.run(scoring, progress)

    return one


class Cut:
    """Scores a few parts and is then cut short."""

    def __init__(self, job: Job, platform: Platform, parts: int) -> None:
        self._inline = Inline(job.plan, platform.blobs)
        self._parts = parts

    def __call__(self, parts: Iterable[Part]) -> Iterator[ScoredPart]:
        for number, scored in enumerate(self._inline(parts)):
            if number == self._parts:
                raise KeyboardInterrupt
            yield scored


@pytest.fixture
def cut(platform: Platform, register: Callable[..., int], tmp_path: Path) -> Callable[..., None]:
    """Begins to score a file, and is cut short after some parts."""
    if not platform.registry.versions.list("payments"):
        register()

    def one(data: Path, parts: int, **options: Any) -> None:
        values: dict[str, Any] = {"version": 1, "part_rows": 64, "form": "parquet"} | options
        request = Request(task="payments", data=data, out=tmp_path / "scored.parquet", **values)
        with closing(Job(platform, request)) as job, pytest.raises(KeyboardInterrupt):
            job.run(Cut(job, platform, parts), lambda *_: None)

    return one
