"""The table of experiments."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, Table, text

from tropism.storage.tables.json import JSONText
from tropism.storage.tables.schema import _key, _may, _must, metadata

experiments = Table(
    "experiments",
    metadata,
    _key("name"),
    _must("task"),
    _must("spec", JSONText),
    _must("versions", JSONText),
    _must("status"),
    _must("step", Integer),
    _must("created_at", BigInteger),
    _may("started_at", BigInteger),
    _may("stepped_at", BigInteger),
    _may("ended_at", BigInteger),
    _may("ending"),
    _may("reason"),
    _may("decision_id"),
)
Index(
    "ix_experiments_running",
    experiments.c.task,
    sqlite_where=text("status = 'running'"),
    postgresql_where=text("status = 'running'"),
)
