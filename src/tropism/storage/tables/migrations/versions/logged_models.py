"""Logged models: what runs made or used, with their tags, params and metrics."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Double, ForeignKeyConstraint, PrimaryKeyConstraint, Text

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    _models()
    _logged()
    op.create_table(
        "tracking_run_models",
        *map(_must, ("run_id", "direction", "model_id")),
        _must("step", BigInteger),
        PrimaryKeyConstraint("run_id", "direction", "model_id", name="pk_tracking_run_models"),
        _foreign("tracking_run_models", "run_id", "tracking_runs"),
        _foreign("tracking_run_models", "model_id", "tracking_logged_models"),
    )


def _models() -> None:
    table = "tracking_logged_models"
    op.create_table(
        table,
        *map(_must, ("id", "experiment_id", "name", "model_type", "source_run_id", "artifact_uri", "status")),
        _must("lifecycle"),
        _must("created_at", BigInteger),
        _must("updated_at", BigInteger),
        PrimaryKeyConstraint("id", name=f"pk_{table}"),
        _foreign(table, "experiment_id", "tracking_experiments"),
    )
    op.create_index(f"ix_{table}_experiment_id_created_at", table, ["experiment_id", "created_at"])


def _logged() -> None:
    for table in ("tracking_logged_tags", "tracking_logged_params"):
        op.create_table(
            table,
            *map(_must, ("model_id", "key", "value")),
            PrimaryKeyConstraint("model_id", "key", name=f"pk_{table}"),
            _foreign(table, "model_id", "tracking_logged_models"),
        )
    op.create_table(
        "tracking_logged_metrics",
        *map(_must, ("model_id", "key")),
        Column("value", Double, nullable=True),
        _must("at", BigInteger),
        _must("step", BigInteger),
        *map(_must, ("run_id", "dataset_name", "dataset_digest")),
        PrimaryKeyConstraint("model_id", "key", name="pk_tracking_logged_metrics"),
        _foreign("tracking_logged_metrics", "model_id", "tracking_logged_models"),
    )


def _foreign(table: str, column: str, other: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}")


def _must(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)
