"""What monitors found in each window, kept in the lake: one small row a window and subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa

from tropism.feedback.schemas import MOMENT
from tropism.monitoring.counts import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.monitoring.alarm.detector import Level
    from tropism.monitoring.alarm.reference import Reference
    from tropism.monitoring.watch.monitor import Counted
    from tropism.storage.lake import Lake

LEVELS = pa.schema(
    [
        pa.field("at", MOMENT),
        pa.field("subject", pa.string()),
        pa.field("rows", pa.int64()),
        pa.field("score", pa.float64()),
        pa.field("columns", pa.string()),
        pa.field("counts", pa.binary()),
        pa.field("writer", pa.string()),
        pa.field("seq", pa.int64()),
    ]
)
"""`at`: end of the window. `columns`: the score of each column that has one, as JSON. `counts`: packed."""
_LEAST = 0.01


def levels_name(task: str) -> str:
    """The table of a task's levels."""
    return f"{task}/levels"


def keep_levels(
    lake: Lake, task: str, subject: str, reference: Reference, seen: Counted, levels: Sequence[Level]
) -> None:
    """Adds a row for each window; those that are there already are left out, so it can be repeated."""
    if not levels:
        return
    names = reference.names
    sizes = [stream.binning.size for stream in reference.streams]
    rows = [
        {
            "at": int(end),
            "subject": subject,
            "rows": int(counts[0].sum()),
            "score": level.score,
            "columns": msgspec.json.encode(
                {name: round(float(one), 4) for name, one in zip(names, level.columns, strict=True) if one >= _LEAST}
            ).decode(),
            "counts": pack(
                {name: one[:size].astype(np.int64) for name, one, size in zip(names, counts, sizes, strict=True)}
            ),
            "writer": subject,
            "seq": int(end),
        }
        for end, counts, level in zip(seen.ends, seen.counts, levels, strict=True)
    ]
    table = pa.Table.from_pylist(rows, schema=LEVELS)
    lake.append(levels_name(task), table, positions={subject: int(seen.ends[-1])})
