"""The table of experiments."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from tropism.storage.tables.json import JSONText
from tropism.storage.tables.schema import metadata

experiments = Table(
    "experiments",
    metadata,
    Column("name", Text, primary_key=True),
    Column("task", Text, nullable=False),
    Column("spec", JSONText, nullable=False),
    Column("versions", JSONText, nullable=False),
    Column("status", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=True),
    Column("stepped_at", BigInteger, nullable=True),
    Column("ended_at", BigInteger, nullable=True),
    Column("ending", Text, nullable=True),
    Column("reason", Text, nullable=True),
    Column("decision_id", Text, nullable=True),
)
Index(
    "ix_experiments_running",
    experiments.c.task,
    sqlite_where=text("status = 'running'"),
    postgresql_where=text("status = 'running'"),
)
