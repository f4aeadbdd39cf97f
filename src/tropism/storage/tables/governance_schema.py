"""Tables of policies, levels, gates, reviews, votes on promotions, and deletions."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, ForeignKeyConstraint, Index, Integer, Table

from tropism.storage.tables.json import JSONText
from tropism.storage.tables.schema import _key, _may, _must, metadata


def _of_version() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["model", "version"], ["versions.model", "versions.version"])


level_policies = Table(
    "level_policies",
    metadata,
    _key("model"),
    _must("spec", JSONText),
    _must("revision", Integer),
    _must("actor"),
    _must("updated_at", BigInteger),
)

version_levels = Table(
    "version_levels",
    metadata,
    _key("model"),
    _key("version", Integer),
    _must("level"),
    _must("since", BigInteger),
    _of_version(),
)

level_moves = Table(
    "level_moves",
    metadata,
    _key("id"),
    _must("model"),
    _must("version", Integer),
    _must("before"),
    _must("level"),
    _must("at", BigInteger),
    _must("actor"),
    _must("reason"),
    _must("evidence", JSONText),
    _of_version(),
    Index("ix_level_moves_model_version_at", "model", "version", "at"),
)

gate_runs = Table(
    "gate_runs",
    metadata,
    _key("id"),
    _must("model"),
    _must("version", Integer),
    _must("level"),
    _must("artifact"),
    _must("policy"),
    _must("passed", Boolean),
    _must("results", JSONText),
    _must("at", BigInteger),
    _must("actor"),
    _of_version(),
    Index("ix_gate_runs_model_version_at", "model", "version", "at"),
)

reviews = Table(
    "reviews",
    metadata,
    _key("id"),
    _must("model"),
    _must("version", Integer),
    _must("level"),
    _must("artifact"),
    _must("actor"),
    _must("role"),
    _must("verdict"),
    _must("comment"),
    _must("at", BigInteger),
    _must("expires_at", BigInteger),
    _may("closed_at", BigInteger),
    _may("used_by"),
    _of_version(),
    Index("ix_reviews_model_version_at", "model", "version", "at"),
)

tombstones = Table(
    "tombstones",
    metadata,
    _key("model"),
    _key("version", Integer),
    _must("artifact"),
    _must("learner"),
    _must("at", BigInteger),
    _must("actor"),
    _must("reason"),
    _of_version(),
)

approval_votes = Table(
    "approval_votes",
    metadata,
    _key("approval_id"),
    _key("person"),
    _must("actor"),
    _must("role"),
    _must("verdict"),
    _must("comment"),
    _must("at", BigInteger),
    _must("expires_at", BigInteger),
    ForeignKeyConstraint(["approval_id"], ["approvals.id"]),
)
