"""Policies of levels, the levels of versions, gates, reviews, and what is left of deleted versions."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, Text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "level_policies",
        *map(_must, ("model", "spec")),
        _must("revision", Integer),
        _must("actor"),
        _must("updated_at", BigInteger),
        PrimaryKeyConstraint("model", name="pk_level_policies"),
    )
    op.create_table(
        "version_levels",
        _must("model"),
        _must("version", Integer),
        _must("level"),
        _must("since", BigInteger),
        PrimaryKeyConstraint("model", "version", name="pk_version_levels"),
        _of_version("version_levels"),
    )
    op.create_table(
        "level_moves",
        *map(_must, ("id", "model")),
        _must("version", Integer),
        *map(_must, ("before", "level")),
        _must("at", BigInteger),
        *map(_must, ("actor", "reason", "evidence")),
        PrimaryKeyConstraint("id", name="pk_level_moves"),
        _of_version("level_moves"),
    )
    op.create_index("ix_level_moves_model_version_at", "level_moves", ["model", "version", "at"])
    _judging()


def _judging() -> None:
    op.create_table(
        "gate_runs",
        *map(_must, ("id", "model")),
        _must("version", Integer),
        *map(_must, ("level", "artifact", "policy")),
        _must("passed", Boolean),
        _must("results"),
        _must("at", BigInteger),
        _must("actor"),
        PrimaryKeyConstraint("id", name="pk_gate_runs"),
        _of_version("gate_runs"),
    )
    op.create_index("ix_gate_runs_model_version_at", "gate_runs", ["model", "version", "at"])
    op.create_table(
        "reviews",
        *map(_must, ("id", "model")),
        _must("version", Integer),
        *map(_must, ("level", "artifact", "actor", "role", "verdict", "comment")),
        *(_must(name, BigInteger) for name in ("at", "expires_at")),
        _may("closed_at", BigInteger),
        _may("used_by"),
        PrimaryKeyConstraint("id", name="pk_reviews"),
        _of_version("reviews"),
    )
    op.create_index("ix_reviews_model_version_at", "reviews", ["model", "version", "at"])
    op.create_table(
        "tombstones",
        _must("model"),
        _must("version", Integer),
        *map(_must, ("artifact", "learner")),
        _must("at", BigInteger),
        *map(_must, ("actor", "reason")),
        PrimaryKeyConstraint("model", "version", name="pk_tombstones"),
        _of_version("tombstones"),
    )


def _of_version(table: str) -> ForeignKeyConstraint:
    name = f"fk_{table}_model_version"
    return ForeignKeyConstraint(["model", "version"], ["versions.model", "versions.version"], name=name)


def _must(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)


def _may(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=True)
