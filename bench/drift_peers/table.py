"""The tables of the comparison of costs: numbers of several shapes, some missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = 60
WINDOW = 1_000
MISSING = 0.05
"""In each fifth column."""


def write(path: Path, rows: int, seed: int) -> None:
    """float64; a third each normal, lognormal and whole numbers from 0 to 99."""
    random = np.random.default_rng(seed)
    columns = {}
    for k in range(COLUMNS):
        values = (random.standard_normal(rows), random.lognormal(size=rows), random.integers(0, 100, rows) * 1.0)[k % 3]
        if k % 5 == 0:
            values[random.random(rows) < MISSING] = np.nan
        columns[f"f_{k}"] = pa.array(values, from_pandas=True)
    pq.write_table(pa.table(columns), path)
