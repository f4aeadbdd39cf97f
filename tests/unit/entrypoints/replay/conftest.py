from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.task import Feature, Task
from tropism.entrypoints.replay.delays import known_times, parse_delay, window_for
from tropism.entrypoints.replay.ordering import START
from tropism.entrypoints.replay.stream import Stream

Save = Callable[..., Path]
MakeStream = Callable[..., Stream]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes text or bytes to a file."""

    def write(content: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def rows(save: Save) -> Save:
    """Writes a CSV file of 300 rows: the header `x,y` and, for row i, what `change[i]` says or `i*0.5,<i % 2>`."""

    def write(change: dict[int, str] | None = None, header: str = "x,y", count: int = 300) -> Path:
        lines = [(change or {}).get(i, f"{i * 0.5},{i % 2}") for i in range(count)]
        return save("\n".join([header, *lines]) + "\n")

    return write


@pytest.fixture
def make_stream() -> MakeStream:
    """A stream with one feature, 1 s apart; labels as given."""

    def make(
        labels: list[float],
        *,
        kind: str = "binary",
        classes: tuple[str, ...] = (),
        delay: str = "0",
        at: list[int] | None = None,
        time: str | None = None,
    ) -> Stream:
        times = START + np.arange(len(labels)) * 1_000_000 if at is None else np.array(at)
        known = known_times(times, parse_delay(delay))
        task = Task(
            name="t",
            kind=kind,  # type: ignore[arg-type]
            target="y",
            features=(Feature("x"),),
            classes=classes,
            outcome_window=window_for(times, known.label_at),
        )
        return Stream(
            task=task,
            features=pa.table({"x": np.arange(len(labels), dtype=np.float64)}),
            labels=np.array(labels, np.float64),
            at=times,
            label_at=known.label_at,
            known_from=known.known_from,
            delay_text=delay,
            time=time,
            notes=("kind: as asked",),
            path=Path("data.csv"),
        )

    return make
