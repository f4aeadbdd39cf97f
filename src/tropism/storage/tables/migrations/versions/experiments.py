"""Experiments on live traffic."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Text, text

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "experiments",
        *(Column(name, Text, nullable=False) for name in ("name", "task", "spec", "versions", "status")),
        Column("step", Integer, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        *(Column(name, BigInteger, nullable=True) for name in ("started_at", "stepped_at", "ended_at")),
        *(Column(name, Text, nullable=True) for name in ("ending", "reason", "decision_id")),
        PrimaryKeyConstraint("name", name="pk_experiments"),
    )
    running = text("status = 'running'")
    op.create_index("ix_experiments_running", "experiments", ["task"], sqlite_where=running, postgresql_where=running)
