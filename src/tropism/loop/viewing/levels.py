"""Reading what monitors found in each window."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.feedback.joining import moments
from tropism.loop.watching.history import LEVELS, levels_name
from tropism.monitoring.counts import merge, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tropism.monitoring.counts.binning import Array
    from tropism.storage.lake import Lake

MOST_WINDOWS = 2_000
"""Windows whose counts are added up, at most: evenly spaced ones of more. One takes 0.2 ms with 20 columns."""


class Windows(NamedTuple):
    """Windows of a monitor in time order: their ends (µs), rows and scores, each (w,)."""

    ends: NDArray[np.int64]
    rows: NDArray[np.int64]
    scores: NDArray[np.float64]

    @property
    def levels(self) -> list[tuple[int, float]]:
        return list(zip(self.ends.tolist(), self.scores.tolist(), strict=True))


def windows_of(lake: Lake, task: str, subjects: Sequence[str], since: int) -> dict[str, Windows]:
    """The windows of each subject that ended from `since` (µs) on."""
    table = _read(lake, task, ("at", "subject", "rows", "score"), since).sort_by("at")
    found = {}
    for subject in subjects:
        own = table.filter(pc.equal(table["subject"], subject))
        found[subject] = Windows(moments(own, "at"), own["rows"].to_numpy(), own["score"].to_numpy())
    return found


def counts_of(lake: Lake, task: str, subject: str, since: int) -> dict[str, Array]:
    """The counts of each column, added up over the windows that ended after `since` (µs)."""
    table = _read(lake, task, ("at", "subject", "counts"), since + 1)
    table = table.filter(pc.equal(table["subject"], subject))
    if table.num_rows > MOST_WINDOWS:
        table = table.sort_by("at")
        table = table.take(pa.array(np.linspace(0, table.num_rows - 1, MOST_WINDOWS).astype(np.int64)))
    return merge(*(unpack(packed) for packed in table["counts"].to_pylist()))


def _read(lake: Lake, task: str, columns: Sequence[str], since: int) -> pa.Table:
    schema = pa.schema([field for field in LEVELS if field.name in columns])
    return lake.read(levels_name(task), schema=schema, since=since)
