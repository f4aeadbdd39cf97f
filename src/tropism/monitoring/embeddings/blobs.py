"""Vectors as bytes in a table of SQLite or PostgreSQL; NumPy goes through all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Column, LargeBinary, MetaData, String, Table, func, select
from sqlalchemy.schema import CreateTable

from tropism.monitoring.embeddings.base import Floats, Metric, Near, Vectors
from tropism.storage.tables.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tropism.storage.tables import Database

_ROWS = 4_096
TABLE = Table(
    "embeddings",
    MetaData(),
    Column("collection", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)
"""Little-endian float32."""


class BlobVectors(Vectors):
    """Right for some 100,000 vectors: a search reads them all, 4,096 at a time."""

    def __init__(self, database: Database, collection: str, width: int) -> None:
        self._database = database
        query = select(func.length(TABLE.c.vector) // 4).where(TABLE.c.collection == collection).limit(1)
        with database.exclusive() as connection:
            connection.execute(CreateTable(TABLE, if_not_exists=True))
            super().__init__(collection, width, connection.scalar(query))

    def put(self, ids: Sequence[str], vectors: Floats) -> None:
        rows = self.checked(vectors, ids).astype("<f4")
        with self._database.begin() as connection:
            for name, row in zip(ids, rows, strict=True):
                upsert(connection, TABLE, {"collection": self.collection, "id": name, "vector": row.tobytes()})

    def nearest(self, vector: Floats, k: int = 10, metric: Metric = "l2") -> list[Near]:
        wanted = self.checked(vector).astype(np.float64)
        best: list[Near] = []
        for ids, vectors in self._all():
            far = _distances(vectors, wanted, metric)
            few = np.flatnonzero(far <= np.partition(far, min(k, len(far)) - 1)[min(k, len(far)) - 1])
            best = sorted([*best, *(Near(ids[row], float(far[row])) for row in few)], key=lambda n: (n.distance, n.id))
            best = best[:k]
        return best

    def mean(self) -> NDArray[np.float64] | None:
        total, count = np.zeros(self.width), 0
        for ids, vectors in self._all():
            total, count = total + vectors.sum(axis=0), count + len(ids)
        return total / count if count else None

    def count(self) -> int:
        with self._database.read() as connection:
            return int(connection.scalar(select(func.count()).where(TABLE.c.collection == self.collection)) or 0)

    def _all(self) -> Iterator[tuple[list[str], NDArray[np.float64]]]:
        query: Any = select(TABLE.c.id, TABLE.c.vector).where(TABLE.c.collection == self.collection)
        with self._database.read() as connection:
            for rows in connection.execute(query).partitions(_ROWS):
                data = np.frombuffer(b"".join(row.vector for row in rows), "<f4")
                yield [row.id for row in rows], data.reshape(len(rows), self.width).astype(np.float64)


def _distances(vectors: NDArray[np.float64], wanted: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    if metric == "l2":
        return np.asarray(np.linalg.norm(vectors - wanted, axis=1), np.float64)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(wanted)
    return np.asarray(1 - (vectors @ wanted) / np.where(lengths > 0, lengths, 1.0), np.float64)
