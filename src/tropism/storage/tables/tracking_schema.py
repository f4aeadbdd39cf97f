"""Tables of run tracking: experiments, runs and what they log, files, and the models registered over MLflow's protocol.

Nothing here is a model version of a task: those are in `schema.py`. A NaN is NULL, since SQLite has none.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Double, ForeignKeyConstraint, Index, Integer, Table

from tropism.storage.tables.json import JSONText
from tropism.storage.tables.schema import _key, _may, _must, metadata


def _of_run() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["run_id"], ["tracking_runs.id"])


def _of_logged() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["model_id"], ["tracking_logged_models.id"])


def _of_model() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["model"], ["tracking_models.id"])


tracking_experiments = Table(
    "tracking_experiments",
    metadata,
    _key("id"),
    _must("name"),
    _must("artifact_location"),
    _must("lifecycle"),
    _must("created_at", BigInteger),
    _must("updated_at", BigInteger),
    Index("uq_tracking_experiments_name", "name", unique=True),
)

tracking_experiment_tags = Table(
    "tracking_experiment_tags",
    metadata,
    _key("experiment_id"),
    _key("key"),
    _must("value"),
    ForeignKeyConstraint(["experiment_id"], ["tracking_experiments.id"]),
)

tracking_runs = Table(
    "tracking_runs",
    metadata,
    _key("id"),
    _must("experiment_id"),
    _must("name"),
    _must("user_id"),
    _must("status"),
    _must("lifecycle"),
    _must("artifact_uri"),
    _must("started_at", BigInteger),
    _may("ended_at", BigInteger),
    ForeignKeyConstraint(["experiment_id"], ["tracking_experiments.id"]),
    Index("ix_tracking_runs_experiment_id_started_at", "experiment_id", "started_at"),
)

tracking_metrics = Table(
    "tracking_metrics",
    metadata,
    _key("run_id"),
    _key("key"),
    _key("at", BigInteger),
    _key("step", BigInteger),
    _key("bits", BigInteger),
    _may("value", Double),
    _of_run(),
    sqlite_with_rowid=False,
)
"""Every value that was logged, once; `bits` are those of the value, which tell equal points apart from others."""

tracking_latest = Table(
    "tracking_latest",
    metadata,
    _key("run_id"),
    _key("key"),
    _may("value", Double),
    _must("at", BigInteger),
    _must("step", BigInteger),
    _of_run(),
)

tracking_params = Table(
    "tracking_params",
    metadata,
    _key("run_id"),
    _key("key"),
    _must("value"),
    _of_run(),
)

tracking_tags = Table(
    "tracking_tags",
    metadata,
    _key("run_id"),
    _key("key"),
    _must("value"),
    _of_run(),
)

tracking_inputs = Table(
    "tracking_inputs",
    metadata,
    _key("run_id"),
    _key("name"),
    _key("digest"),
    _must("source_type"),
    _must("source"),
    _may("schema"),
    _may("profile"),
    _may("context"),
    _must("tags", JSONText),
    _of_run(),
)

tracking_files = Table(
    "tracking_files",
    metadata,
    _key("folder"),
    _key("name"),
    _may("digest"),
    _must("size", BigInteger),
    _must("updated_at", BigInteger),
)
"""Paths of artifacts. A row without a digest is a folder."""

tracking_models = Table(
    "tracking_models",
    metadata,
    _key("id"),
    _must("name"),
    _must("description"),
    _must("last_version", Integer),
    _must("created_at", BigInteger),
    _must("updated_at", BigInteger),
    Index("uq_tracking_models_name", "name", unique=True),
)

tracking_model_tags = Table(
    "tracking_model_tags",
    metadata,
    _key("model"),
    _key("key"),
    _must("value"),
    _of_model(),
)

tracking_versions = Table(
    "tracking_versions",
    metadata,
    _key("model"),
    _key("version", Integer),
    _must("source"),
    _must("run_id"),
    _must("run_link"),
    _must("description"),
    _may("imported", Integer),
    _must("created_at", BigInteger),
    _must("updated_at", BigInteger),
    _of_model(),
    Index("ix_tracking_versions_run_id", "run_id"),
)
"""`imported`: the number of the task's own version that was made of this one."""

tracking_version_tags = Table(
    "tracking_version_tags",
    metadata,
    _key("model"),
    _key("version", Integer),
    _key("key"),
    _must("value"),
    ForeignKeyConstraint(["model", "version"], ["tracking_versions.model", "tracking_versions.version"]),
)

tracking_aliases = Table(
    "tracking_aliases",
    metadata,
    _key("model"),
    _key("alias"),
    _must("version", Integer),
    _must("updated_at", BigInteger),
    ForeignKeyConstraint(["model", "version"], ["tracking_versions.model", "tracking_versions.version"]),
    Index("ix_tracking_aliases_model_version", "model", "version"),
)

tracking_logged_models = Table(
    "tracking_logged_models",
    metadata,
    _key("id"),
    _must("experiment_id"),
    _must("name"),
    _must("model_type"),
    _must("source_run_id"),
    _must("artifact_uri"),
    _must("status"),
    _must("lifecycle"),
    _must("created_at", BigInteger),
    _must("updated_at", BigInteger),
    ForeignKeyConstraint(["experiment_id"], ["tracking_experiments.id"]),
    Index("ix_tracking_logged_models_experiment_id_created_at", "experiment_id", "created_at"),
)
"""Models that runs logged. They are none of the registered ones, which have names and numbers."""

tracking_logged_tags = Table(
    "tracking_logged_tags",
    metadata,
    _key("model_id"),
    _key("key"),
    _must("value"),
    _of_logged(),
)

tracking_logged_params = Table(
    "tracking_logged_params",
    metadata,
    _key("model_id"),
    _key("key"),
    _must("value"),
    _of_logged(),
)

tracking_logged_metrics = Table(
    "tracking_logged_metrics",
    metadata,
    _key("model_id"),
    _key("key"),
    _may("value", Double),
    _must("at", BigInteger),
    _must("step", BigInteger),
    _must("run_id"),
    _must("dataset_name"),
    _must("dataset_digest"),
    _of_logged(),
)
"""The latest value of each metric that runs logged about a model; their own histories have all of them."""

tracking_run_models = Table(
    "tracking_run_models",
    metadata,
    _key("run_id"),
    _key("direction"),
    _key("model_id"),
    _must("step", BigInteger),
    _of_run(),
    _of_logged(),
)
"""Logged models that a run made (`output`) or used (`input`)."""
