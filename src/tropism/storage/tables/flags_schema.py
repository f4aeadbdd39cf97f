"""The tables of feature flags."""

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

flag_exposures = Table(
    "flag_exposures",
    metadata,
    _key("flag"),
    _key("variant"),
    _key("hour", BigInteger),
    _must("evaluations", BigInteger),
    _must("last_at", BigInteger),
)
"""How often a variant was given: in the hour that begins at `hour` (µs), and ever, in the row whose `hour` is 0."""
