from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.entrypoints.scoring.parts import Part, Ragged
from tropism.entrypoints.scoring.request import Request
from tropism.entrypoints.scoring.run import Job
from tropism.entrypoints.scoring.scorer import Scorer
from tropism.learners.artifact import load
from tropism.wiring import Platform

Write = Callable[..., Path]


class Odd:
    """A model that does what it is told to."""

    def __init__(self, act: Callable[[int], Any], encoding: Any) -> None:
        self._act = act
        self.encoding = encoding

    def predict(self, table: pa.Table, at: Any) -> Any:
        return self._act(table.num_rows)


def raising(rows: int) -> Any:
    raise ValueError("no luck today")


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (raising, "the model failed"),
        (lambda rows: np.full((rows, 1), 2.0), "the model gave an impossible score"),
        (lambda rows: np.full((rows, 1), np.nan), "the model gave an impossible score"),
        (lambda rows: np.full((rows, 2), 0.5), "the model's scores have a wrong shape"),
    ],
)
def test_a_model_that_fails_is_told(
    act: Callable[[int], Any],
    words: str,
    platform: Platform,
    register: Callable[..., int],
    write: Write,
    rows: pa.Table,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register()
    monkeypatch.setattr("tropism.entrypoints.scoring.scorer.load", lambda *given: Odd(act, load(*given).encoding))
    request = Request("payments", 1, write(rows, "rows.csv"), tmp_path / "out.csv", "csv", part_rows=64)
    with closing(Job(platform, request)) as job:
        scorer = Scorer(job.plan, platform.blobs)
        found = [scorer.score(part) for part in job.source.parts(64, lambda index: index == 1)]
    (problem,) = [one.problem for one in found]
    assert problem is not None
    assert problem.code == "artifact-refused"
    assert problem.message == words
    if act is raising:
        assert problem.faults[0].field == "rows 65 to 128"
        assert problem.faults[0].value == "ValueError: no luck today"


def test_numbers_of_rows_pass_over_those_that_could_not_be_read() -> None:
    gaps = tuple(Ragged(row, 3, 4, "") for row in (10, 12, 15))
    part = Part(index=1, first=10, rows=4, data=memoryview(b""), share=0.1, ragged=gaps)
    assert part.numbers.tolist() == [11, 13, 14, 16]
    assert part.last == 16
