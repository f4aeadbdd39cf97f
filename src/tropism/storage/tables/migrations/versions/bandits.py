"""Bandits on live traffic."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Text

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "bandits",
        Column("experiment", Text, nullable=False),
        Column("number", Integer, nullable=False),
        *(Column(name, BigInteger, nullable=False) for name in ("at", "learned_until", "rows")),
        *(Column(name, Text, nullable=False) for name in ("shares", "least")),
        Column("choosing", Text, nullable=True),
        PrimaryKeyConstraint("experiment", "number", name="pk_bandits"),
    )
