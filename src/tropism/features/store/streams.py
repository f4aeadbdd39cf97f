"""The history of a stream: its events in the lake, in the order in which the platform took them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.features.streams.tables import lake_schema
from tropism.features.types import dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.features.sources import StreamSource
    from tropism.features.windows.online import Place
    from tropism.storage.lake import Lake

MOMENT = pa.timestamp("us", "UTC")
_ORDER = ("at", "writer", "seq", "row")
_ROWS = 24
"""Bits for the place of an event in its record."""


def stream_table(name: str) -> str:
    """The lake's table of a stream's events."""
    return f"_streams/{name}"


def stream_rows(lake: Lake, source: StreamSource, columns: Sequence[str], since: int | None = None) -> pa.Table:
    """Events taken in at or after `since` (µs), in order: `at`, `writer`, `seq`, `row`, `c_<column>`."""
    wanted = list(dict.fromkeys([*columns, source.timestamp, source.created]))
    table = lake.read(stream_table(source.name), schema=lake_schema(source, wanted), since=since)
    table = table.take(pc.sort_indices(table, [(name, "ascending") for name in _ORDER]))
    for column in wanted:
        kind = dtype(source.schema[column])
        if kind.kind == "vector":
            place = table.schema.get_field_index(f"c_{column}")
            table = table.set_column(place, f"c_{column}", table.column(place).cast(kind.arrow()))
    return table


def events_of(rows: pa.Table) -> pa.Table:
    """The columns of events under their own names."""
    names = [name for name in rows.column_names if name.startswith("c_")]
    return rows.select(names).rename_columns([name.removeprefix("c_") for name in names])


def places_of(rows: pa.Table) -> list[Place]:
    """The position of each event, by writer, as a `WindowStore` counts them."""
    offsets = (rows["seq"].to_numpy() << _ROWS) | rows["row"].to_numpy()
    return list(zip(rows["writer"].to_pylist(), offsets.tolist(), strict=True))


def stamps_of(rows: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """When each event was taken in, µs."""
    return np.asarray(rows["at"].cast(pa.int64()), np.int64)
