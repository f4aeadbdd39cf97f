"""Definitions of features, and what came of what."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "feature_definitions",
        _column("kind"),
        _column("name"),
        Column("version", Integer, nullable=False, autoincrement=False),
        _column("fingerprint"),
        _column("spec"),
        _column("state"),
        _column("created_at", BigInteger),
        _column("actor"),
        PrimaryKeyConstraint("kind", "name", "version", name="pk_feature_definitions"),
    )
    op.create_table(
        "feature_links",
        _column("from_kind"),
        _column("from_id"),
        _column("to_kind"),
        _column("to_id"),
        _column("at", BigInteger),
        PrimaryKeyConstraint("from_kind", "from_id", "to_kind", "to_id", name="pk_feature_links"),
    )
    op.create_index("ix_feature_links_to_kind_to_id", "feature_links", ["to_kind", "to_id"])


def _column(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)
