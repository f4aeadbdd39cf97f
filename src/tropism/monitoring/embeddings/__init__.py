"""Vectors of a reference kept where near ones can be found again: PostgreSQL with pgvector, or any of our databases."""

from __future__ import annotations

from tropism.monitoring.embeddings.base import Near, Vectors
from tropism.monitoring.embeddings.choosing import open_vectors

__all__ = ["Near", "Vectors", "open_vectors"]
