"""Finds where a collection of vectors is kept, or can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect, text
from sqlalchemy.exc import ProgrammingError

from tropism.monitoring.embeddings.blobs import TABLE, BlobVectors
from tropism.monitoring.embeddings.pgvector import PgVectors

if TYPE_CHECKING:
    from tropism.monitoring.embeddings.base import Vectors
    from tropism.storage.tables import Database

_USABLE = text("SELECT to_regtype('vector') IS NOT NULL")
_ADDABLE = text(
    "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector' AND installed_version IS NULL)"
)


def open_vectors(database: Database, collection: str, width: int) -> Vectors:
    """The vectors of a collection: with pgvector where the server has it or lets us add it, else as bytes.

    A collection that was begun as bytes stays so when the extension is installed later: nothing is lost or twice.

    Raises:
        InvalidInput: the collection holds vectors of another width.

    >>> import tempfile
    >>> import numpy as np
    >>> from tropism.storage.tables import Database
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     database = Database(f"sqlite:///{folder}/vectors.sqlite")
    ...     vectors = open_vectors(database, "reviews@3", width=2)
    ...     vectors.put(["a", "b"], np.array([[0.0, 0.0], [3.0, 4.0]], np.float32))
    ...     print(vectors.count(), vectors.mean(), vectors.nearest(np.zeros(2, np.float32), k=1))
    ...     database.dispose()
    2 [1.5 2. ] [Near(id='a', distance=0.0)]
    """
    if _begun_as_bytes(database, collection, width) or not _has_extension(database):
        return BlobVectors(database, collection, width)
    return PgVectors(database, collection, width)


def _begun_as_bytes(database: Database, collection: str, width: int) -> bool:
    with database.read() as connection:
        there = inspect(connection).has_table(TABLE.name)
    return there and BlobVectors(database, collection, width).count() > 0


def _has_extension(database: Database) -> bool:
    with database.read() as connection:
        if connection.dialect.name != "postgresql":
            return False
        if connection.scalar(_USABLE) or not connection.scalar(_ADDABLE):
            return bool(connection.scalar(_USABLE))
    try:
        with database.exclusive() as connection:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
            return bool(connection.scalar(_USABLE))
    except ProgrammingError:  # this user may not
        return False
