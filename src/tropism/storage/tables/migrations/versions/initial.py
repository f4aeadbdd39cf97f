"""The first tables."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    text,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    _tasks_and_versions()
    _aliases_and_challenges()
    _decisions_and_approvals()
    _audit()
    _jobs()
    _leases_and_progress()


def _column(name: str, kind: Any = Text, nullable: bool = False) -> Column[Any]:
    return Column(name, kind, nullable=nullable)


def _of_version(table: str, version: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["model", version], ["versions.model", "versions.version"], name=f"fk_{table}_model_{version}"
    )


def _tasks_and_versions() -> None:
    op.create_table(
        "tasks",
        _column("name"),
        _column("spec"),
        _column("revision", Integer),
        _column("created_at", BigInteger),
        _column("updated_at", BigInteger),
        PrimaryKeyConstraint("name", name="pk_tasks"),
    )
    op.create_table(
        "versions",
        _column("model"),
        Column("version", Integer, nullable=False, autoincrement=False),
        _column("artifact"),
        _column("learner"),
        _column("window"),
        _column("state"),
        _column("parameters"),
        _column("metrics"),
        _column("data"),
        _column("signature"),
        _column("environment"),
        _column("parent", Integer, nullable=True),
        _column("job_id", nullable=True),
        _column("created_at", BigInteger),
        PrimaryKeyConstraint("model", "version", name="pk_versions"),
    )
    op.create_index("uq_versions_job_id", "versions", ["job_id"], unique=True)


def _aliases_and_challenges() -> None:
    op.create_table(
        "aliases",
        _column("model"),
        _column("alias"),
        _column("version", Integer),
        _column("generation", BigInteger),
        _column("updated_at", BigInteger),
        PrimaryKeyConstraint("model", "alias", name="pk_aliases"),
        _of_version("aliases", "version"),
    )
    op.create_table(
        "challenges",
        _column("id"),
        _column("model"),
        _column("challenger", Integer),
        _column("incumbent", Integer),
        _column("kind"),
        _column("opened_at", BigInteger),
        _column("alpha", Double),
        _column("status"),
        _column("closed_at", BigInteger, nullable=True),
        PrimaryKeyConstraint("id", name="pk_challenges"),
        _of_version("challenges", "challenger"),
        _of_version("challenges", "incumbent"),
    )
    is_open = text("status = 'open'")
    columns = ["model", "kind"]
    op.create_index("ix_challenges_open", "challenges", columns, sqlite_where=is_open, postgresql_where=is_open)


def _decisions_and_approvals() -> None:
    op.create_table(
        "decisions",
        _column("id"),
        _column("model"),
        _column("kind"),
        _column("version", Integer, nullable=True),
        _column("at", BigInteger),
        _column("actor"),
        _column("evidence"),
        _column("effect", nullable=True),
        _column("created_at", BigInteger),
        PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_at_id", "decisions", ["at", "id"])
    op.create_index("ix_decisions_model_at_id", "decisions", ["model", "at", "id"])
    op.create_table(
        "approvals",
        _column("id"),
        _column("model"),
        _column("version", Integer),
        _column("decision_id"),
        _column("status"),
        _column("actor", nullable=True),
        _column("comment", nullable=True),
        _column("created_at", BigInteger),
        _column("decided_at", BigInteger, nullable=True),
        PrimaryKeyConstraint("id", name="pk_approvals"),
        _of_version("approvals", "version"),
    )
    op.create_index("uq_approvals_decision_id", "approvals", ["decision_id"], unique=True)
    op.create_index("ix_approvals_status_model", "approvals", ["status", "model"])


def _audit() -> None:
    op.create_table(
        "audit",
        Column("seq", BigInteger, nullable=False, autoincrement=False),
        _column("at", BigInteger),
        _column("actor"),
        _column("action"),
        _column("subject"),
        _column("detail"),
        _column("previous"),
        _column("digest"),
        PrimaryKeyConstraint("seq", name="pk_audit"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        _column("id"),
        _column("task"),
        _column("kind"),
        _column("status"),
        _column("request"),
        _column("result", nullable=True),
        _column("error", nullable=True),
        _column("progress", Double),
        _column("message"),
        _column("cancel", Boolean),
        _column("holder", nullable=True),
        _column("attempts", Integer),
        _column("created_at", BigInteger),
        _column("started_at", BigInteger, nullable=True),
        _column("finished_at", BigInteger, nullable=True),
        _column("heartbeat_at", BigInteger, nullable=True),
        PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_status_created_at", "jobs", ["status", "created_at"])
    op.create_index("ix_jobs_task_created_at", "jobs", ["task", "created_at"])


def _leases_and_progress() -> None:
    op.create_table(
        "leases",
        _column("name"),
        _column("holder"),
        _column("token", BigInteger),
        _column("expires_at", BigInteger),
        PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "progress",
        _column("name"),
        _column("value"),
        _column("updated_at", BigInteger),
        PrimaryKeyConstraint("name", name="pk_progress"),
    )
