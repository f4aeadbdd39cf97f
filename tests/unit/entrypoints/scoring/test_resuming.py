from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.entrypoints.scoring.alone import expected

from tropism.core.errors import (
    Conflict,
    DataInvalid,
)
from tropism.entrypoints.scoring.inline import Inline
from tropism.entrypoints.scoring.request import Request
from tropism.entrypoints.scoring.run import Job
from tropism.entrypoints.scoring.sources.base import Chosen
from tropism.wiring import Platform

Write = Callable[..., Path]
Score = Callable[..., Any]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "arrow"])
def test_a_run_that_was_cut_short_goes_on(
    kind: str, cut: Callable[..., None], score: Score, write: Write, rows: pa.Table, platform: Platform, tmp_path: Path
) -> None:
    data = write(rows, f"rows.{kind}", **({"row_group_size": 100} if kind == "parquet" else {}))
    cut(data, 3)
    (tmp_path / "scored.parquet.parts" / "00000001.json").unlink()  # as if it had been killed before this one
    seen: list[tuple[float, int]] = []
    found = score(data, progress=lambda share, count: seen.append((share, count)))
    assert (found.rows, found.resumed) == (500, 128)
    scored = pq.read_table(tmp_path / "scored.parquet")
    assert scored.column("probability").to_pylist() == expected(platform, rows)
    assert not (tmp_path / "scored.parquet.parts").exists()


def test_a_resumed_run_keeps_its_version_when_the_champion_moves(
    cut: Callable[..., None],
    score: Score,
    write: Write,
    rows: pa.Table,
    register: Callable[..., int],
    promote: Callable[..., str],
) -> None:
    register()
    promote(1)
    data = write(rows, "rows.csv")
    cut(data, 3, version=None)
    register(seed=2)
    promote(2)
    assert score(data, version=None).version == 1
    assert score(data, version=None).version == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("file", "the input"),
        ("version", "--version"),
        ("format", "the output's format"),
        ("journal", "--journal"),
        ("keep", "--keep"),
    ],
)
def test_a_run_of_something_else_is_not_gone_on_with(
    change: str,
    named: str,
    cut: Callable[..., None],
    score: Score,
    write: Write,
    rows: pa.Table,
    register: Callable[..., int],
) -> None:
    register()
    register(seed=2)
    data = write(rows, "rows.csv")
    cut(data, 3)
    changes: dict[str, dict[str, Any]] = {
        "version": {"version": 2},
        "format": {"form": "csv"},
        "journal": {"journal": True},
        "keep": {"chosen": Chosen(("amount",))},
    }
    options = changes.get(change, {})
    if change == "file":
        data.write_text(data.read_text() + "1,NL,1,true,card\n")
    with pytest.raises(Conflict, match="an unfinished run of this output was of something else") as caught:
        score(data, **options)
    assert caught.value.faults[0].field == named
    assert "--restart" in caught.value.faults[0].fix
    assert score(data, restart=True, **options).resumed == 0


def test_parts_that_are_not_as_they_were_written_are_done_again(
    cut: Callable[..., None], score: Score, write: Write, rows: pa.Table, platform: Platform, tmp_path: Path
) -> None:
    data = write(rows, "rows.csv")
    cut(data, 4)
    folder = tmp_path / "scored.parquet.parts"
    (folder / "00000000.part").write_bytes(b"")
    (folder / "00000001.part").unlink()
    (folder / "00000002.json").write_bytes(b"{")
    assert score(data).resumed == 64
    assert pq.read_table(tmp_path / "scored.parquet").column("probability").to_pylist() == expected(platform, rows)


def test_an_unfinished_run_that_cannot_be_read_is_told(
    cut: Callable[..., None], score: Score, write: Write, rows: pa.Table, tmp_path: Path
) -> None:
    data = write(rows, "rows.csv")
    cut(data, 1)
    (tmp_path / "scored.parquet.parts" / "job.json").write_text("{")
    with pytest.raises(DataInvalid, match="cannot be taken up"):
        score(data)
    assert score(data, restart=True).rows == 500


def test_one_output_is_written_by_one_run_at_a_time(
    score: Score, write: Write, rows: pa.Table, platform: Platform, register: Callable[..., int], tmp_path: Path
) -> None:
    register()
    data = write(rows, "rows.csv")
    request = Request("payments", 1, data, tmp_path / "scored.parquet", "parquet")
    with closing(Job(platform, request)), pytest.raises(Conflict, match="another run writes this output"):
        score(data)
    assert score(data, restart=True).rows == 500


def test_a_file_that_changes_while_it_is_scored_is_told(
    write: Write, rows: pa.Table, platform: Platform, register: Callable[..., int], tmp_path: Path
) -> None:
    register()
    data = write(rows, "rows.csv")
    with closing(Job(platform, Request("payments", 1, data, tmp_path / "out.csv", "csv"))) as job:
        data.write_text(data.read_text() + "1,NL,1,true,card\n")
        with pytest.raises(DataInvalid, match="was changed while it was scored"):
            job.run(Inline(job.plan, platform.blobs), lambda *_: None)
    assert not (tmp_path / "out.csv").exists()
