"""What each row is answered with when it is asked for alone."""

from __future__ import annotations

import pyarrow as pa

from tropism.learners.artifact import load
from tropism.wiring import Platform


def expected(platform: Platform, rows: pa.Table) -> list[float]:
    """The probability of each row, asked for alone."""
    model = load(platform.registry.versions.get("payments", 1).artifact, platform.blobs)
    names = ("amount", "country", "hour", "new_device")
    return [float(model.predict_rows([row])[0, 0]) for row in rows.select(names).to_pylist()]
