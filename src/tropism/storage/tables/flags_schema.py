"""The table of feature flags."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, Table

from tropism.storage.tables.schema import _key, _must, metadata

flags = Table(
    "flags",
    metadata,
    _key("key"),
    _must("spec"),
    _must("revision", Integer),
    _must("created_at", BigInteger),
    _must("updated_at", BigInteger),
)
