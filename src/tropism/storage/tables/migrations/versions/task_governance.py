"""Who approved or refused a promotion, in which role."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, PrimaryKeyConstraint, Text

revision = "0011"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "approval_votes",
        *map(_must, ("approval_id", "person", "actor", "role", "verdict", "comment")),
        _must("at", BigInteger),
        _must("expires_at", BigInteger),
        PrimaryKeyConstraint("approval_id", "person", name="pk_approval_votes"),
        ForeignKeyConstraint(["approval_id"], ["approvals.id"], name="fk_approval_votes_approval_id"),
    )


def _must(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)
