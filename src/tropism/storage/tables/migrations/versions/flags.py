"""Feature flags."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "flags",
        *map(_must, ("key", "spec")),
        _must("revision", Integer),
        _must("created_at", BigInteger),
        _must("updated_at", BigInteger),
        PrimaryKeyConstraint("key", name="pk_flags"),
    )


def _must(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)
