"""Run tracking: experiments, runs, metrics, files, and models registered over MLflow's protocol."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Double, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, Text

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    _experiments()
    _logged()
    _inputs()
    _models()


def _experiments() -> None:
    op.create_table(
        "tracking_experiments",
        *map(_must, ("id", "name", "artifact_location", "lifecycle")),
        *_moments("created_at", "updated_at"),
        PrimaryKeyConstraint("id", name="pk_tracking_experiments"),
    )
    op.create_index("uq_tracking_experiments_name", "tracking_experiments", ["name"], unique=True)
    op.create_table(
        "tracking_experiment_tags",
        *map(_must, ("experiment_id", "key", "value")),
        PrimaryKeyConstraint("experiment_id", "key", name="pk_tracking_experiment_tags"),
        _foreign("tracking_experiment_tags", ["experiment_id"], "tracking_experiments", ["id"]),
    )
    op.create_table(
        "tracking_runs",
        *map(_must, ("id", "experiment_id", "name", "user_id", "status", "lifecycle", "artifact_uri")),
        _must("started_at", BigInteger),
        _may("ended_at", BigInteger),
        PrimaryKeyConstraint("id", name="pk_tracking_runs"),
        _foreign("tracking_runs", ["experiment_id"], "tracking_experiments", ["id"]),
    )
    op.create_index("ix_tracking_runs_experiment_id_started_at", "tracking_runs", ["experiment_id", "started_at"])


def _logged() -> None:
    op.create_table(
        "tracking_metrics",
        *map(_must, ("run_id", "key")),
        *_moments("at", "step", "bits"),
        _may("value", Double),
        PrimaryKeyConstraint("run_id", "key", "at", "step", "bits", name="pk_tracking_metrics"),
        _foreign("tracking_metrics", ["run_id"], "tracking_runs", ["id"]),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tracking_latest",
        *map(_must, ("run_id", "key")),
        _may("value", Double),
        *_moments("at", "step"),
        PrimaryKeyConstraint("run_id", "key", name="pk_tracking_latest"),
        _foreign("tracking_latest", ["run_id"], "tracking_runs", ["id"]),
    )
    for table in ("tracking_params", "tracking_tags"):
        op.create_table(
            table,
            *map(_must, ("run_id", "key", "value")),
            PrimaryKeyConstraint("run_id", "key", name=f"pk_{table}"),
            _foreign(table, ["run_id"], "tracking_runs", ["id"]),
        )


def _inputs() -> None:
    op.create_table(
        "tracking_inputs",
        *map(_must, ("run_id", "name", "digest", "source_type", "source")),
        *map(_may, ("schema", "profile", "context")),
        _must("tags"),
        PrimaryKeyConstraint("run_id", "name", "digest", name="pk_tracking_inputs"),
        _foreign("tracking_inputs", ["run_id"], "tracking_runs", ["id"]),
    )
    op.create_table(
        "tracking_files",
        *map(_must, ("folder", "name")),
        _may("digest"),
        *_moments("size", "updated_at"),
        PrimaryKeyConstraint("folder", "name", name="pk_tracking_files"),
    )


def _models() -> None:
    op.create_table(
        "tracking_models",
        *map(_must, ("id", "name", "description")),
        _must("last_version", Integer),
        *_moments("created_at", "updated_at"),
        PrimaryKeyConstraint("id", name="pk_tracking_models"),
    )
    op.create_index("uq_tracking_models_name", "tracking_models", ["name"], unique=True)
    op.create_table(
        "tracking_model_tags",
        *map(_must, ("model", "key", "value")),
        PrimaryKeyConstraint("model", "key", name="pk_tracking_model_tags"),
        _foreign("tracking_model_tags", ["model"], "tracking_models", ["id"]),
    )
    _model_versions()


def _model_versions() -> None:
    op.create_table(
        "tracking_versions",
        _must("model"),
        _must("version", Integer),
        *map(_must, ("source", "run_id", "run_link", "description")),
        _may("imported", Integer),
        *_moments("created_at", "updated_at"),
        PrimaryKeyConstraint("model", "version", name="pk_tracking_versions"),
        _foreign("tracking_versions", ["model"], "tracking_models", ["id"]),
    )
    op.create_index("ix_tracking_versions_run_id", "tracking_versions", ["run_id"])
    op.create_table(
        "tracking_version_tags",
        _must("model"),
        _must("version", Integer),
        *map(_must, ("key", "value")),
        PrimaryKeyConstraint("model", "version", "key", name="pk_tracking_version_tags"),
        _foreign("tracking_version_tags", ["model", "version"], "tracking_versions", ["model", "version"]),
    )
    op.create_table(
        "tracking_aliases",
        *map(_must, ("model", "alias")),
        _must("version", Integer),
        _must("updated_at", BigInteger),
        PrimaryKeyConstraint("model", "alias", name="pk_tracking_aliases"),
        _foreign("tracking_aliases", ["model", "version"], "tracking_versions", ["model", "version"]),
    )
    op.create_index("ix_tracking_aliases_model_version", "tracking_aliases", ["model", "version"])


def _foreign(table: str, columns: list[str], other: str, theirs: list[str]) -> ForeignKeyConstraint:
    name = f"fk_{table}_{'_'.join(columns)}"
    return ForeignKeyConstraint(columns, [f"{other}.{column}" for column in theirs], name=name)


def _moments(*names: str) -> list[Column[Any]]:
    return [_must(name, BigInteger) for name in names]


def _must(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)


def _may(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=True)
