"""Vectors in PostgreSQL with the extension pgvector: https://github.com/pgvector/pgvector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from tropism.monitoring.embeddings.base import Floats, Metric, Near, Vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.storage.tables import Database

# No index: the search stays exact. An approximate one (HNSW) is the owner's to add.
_CREATE = """CREATE TABLE IF NOT EXISTS embedding_vectors (
collection text NOT NULL, id text COLLATE "C" NOT NULL, vector vector NOT NULL, PRIMARY KEY (collection, id))"""
_WIDTH = "SELECT vector_dims(vector) FROM embedding_vectors WHERE collection = :collection LIMIT 1"
_PUT = """INSERT INTO embedding_vectors (collection, id, vector) VALUES (:collection, :id, CAST(:vector AS vector))
ON CONFLICT (collection, id) DO UPDATE SET vector = excluded.vector"""
_NEAREST = """SELECT id, {distance} AS distance FROM embedding_vectors WHERE collection = :collection
ORDER BY distance, id LIMIT :k"""
_DISTANCES: dict[Metric, str] = {
    "l2": "vector <-> CAST(:vector AS vector)",
    # Of a vector of zeros pgvector says NaN.
    "cosine": "COALESCE(NULLIF(vector <=> CAST(:vector AS vector), 'NaN'), 1)",
}


class PgVectors(Vectors):
    """The server searches; of a search, only what was found travels."""

    def __init__(self, database: Database, collection: str, width: int) -> None:
        self._database = database
        with database.exclusive() as connection:
            connection.execute(text(_CREATE))
            super().__init__(collection, width, connection.scalar(text(_WIDTH), {"collection": collection}))

    def put(self, ids: Sequence[str], vectors: Floats) -> None:
        written = [_written(row) for row in self.checked(vectors, ids)]
        rows = [{"collection": self.collection, "id": i, "vector": v} for i, v in zip(ids, written, strict=True)]
        if rows:
            with self._database.begin() as connection:
                connection.execute(text(_PUT), rows)

    def nearest(self, vector: Floats, k: int = 10, metric: Metric = "l2") -> list[Near]:
        query = text(_NEAREST.format(distance=_DISTANCES[metric]))
        with self._database.read() as connection:
            values = {"collection": self.collection, "vector": _written(self.checked(vector)), "k": k}
            return [Near(row.id, float(row.distance)) for row in connection.execute(query, values)]

    def mean(self) -> NDArray[np.float64] | None:
        query = text("SELECT CAST(avg(vector) AS text) FROM embedding_vectors WHERE collection = :collection")
        with self._database.read() as connection:
            found = connection.scalar(query, {"collection": self.collection})
        return None if found is None else np.fromstring(found[1:-1], sep=",")

    def count(self) -> int:
        query = text("SELECT count(*) FROM embedding_vectors WHERE collection = :collection")
        with self._database.read() as connection:
            return int(connection.scalar(query, {"collection": self.collection}) or 0)


def _written(vector: Floats) -> str:
    return "[" + ",".join(map(repr, vector.tolist())) + "]"
