"""The demo's data: the Nasdaq composite from 1999 to 2018, as it ships in the package `arch`.

Each trading day the next day's range (high minus low, in points) is predicted from what is known at the close.
The world changes: the crash of 2000, the calm before 2008, the crisis, and an index four times as high at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tropism.core.plugins import require

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TARGET = "next_range"
_LONG = 22


def write_nasdaq(path: Path) -> None:
    """Write the daily rows as Parquet: columns `day`, features, `next_range`.

    Raises:
        MissingExtra: the package `arch` is not installed.
    """
    require("arch", "demo")
    from arch.data import nasdaq

    frame = nasdaq.load()
    days = frame.index.to_numpy().astype("datetime64[us]")
    high, low, close = (frame[name].to_numpy(dtype=np.float64) for name in ("High", "Low", "Close"))
    spread = high - low
    columns = {
        "day": days,
        "range": spread,
        "change": np.abs(np.diff(close, prepend=close[0])),
        "range_5": _mean_of_last(spread, 5),
        "range_22": _mean_of_last(spread, _LONG),
    }
    kept = slice(_LONG - 1, -1)
    table = {name: pa.array(values[kept]) for name, values in columns.items()}
    table[TARGET] = pa.array(spread[_LONG:])
    pq.write_table(pa.table(table), path)


def _mean_of_last(values: NDArray[np.float64], days: int) -> NDArray[np.float64]:
    """(n,) mean of each value and the ones before it, `days` in all; NaN where there are not so many."""
    sums = np.cumsum(np.concatenate(([0.0], values)))
    means = np.full(len(values), np.nan)
    means[days - 1 :] = (sums[days:] - sums[:-days]) / days
    return means
