"""The table of bandits: every set of shares that an experiment has had."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, Table

from tropism.storage.tables.json import JSONText
from tropism.storage.tables.schema import _key, _may, _must, metadata

bandits = Table(
    "bandits",
    metadata,
    _key("experiment"),
    _key("number", Integer),
    _must("at", BigInteger),
    _must("learned_until", BigInteger),
    _must("rows", BigInteger),
    _must("shares", JSONText),
    _must("least", JSONText),
    _may("choosing", JSONText),
)
"""`choosing`: how a contextual policy judges a request; kept for the newest revision alone."""
