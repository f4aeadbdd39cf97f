"""Every table. Times are BIGINT µs since the epoch, UTC; JSON is text; ids are text.

A change here needs a revision beside `migrations/versions/initial.py`; a test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

from tropism.storage.tables.json import JSONText

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _key(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _must(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)


def _may(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=True)


def _of_version(version: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["model", version], ["versions.model", "versions.version"])


tasks = Table(
    "tasks",
    metadata,
    _key("name"),
    _must("spec"),
    _must("revision", Integer),
    _must("created_at", BigInteger),
    _must("updated_at", BigInteger),
)

versions = Table(
    "versions",
    metadata,
    _key("model"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _must("artifact"),
    _must("learner"),
    _must("window"),
    _must("state"),
    _must("parameters", JSONText),
    _must("metrics", JSONText),
    _must("data", JSONText),
    _must("signature", JSONText),
    _must("environment", JSONText),
    _may("parent", Integer),
    _may("job_id"),
    _must("created_at", BigInteger),
    Index("uq_versions_job_id", "job_id", unique=True),
)

aliases = Table(
    "aliases",
    metadata,
    _key("model"),
    _key("alias"),
    _must("version", Integer),
    _must("generation", BigInteger),
    _must("updated_at", BigInteger),
    _of_version("version"),
)

challenges = Table(
    "challenges",
    metadata,
    _key("id"),
    _must("model"),
    _must("challenger", Integer),
    _must("incumbent", Integer),
    _must("kind"),
    _must("opened_at", BigInteger),
    _must("alpha", Double),
    _must("status"),
    _may("closed_at", BigInteger),
    _of_version("challenger"),
    _of_version("incumbent"),
)
Index(
    "ix_challenges_open",
    challenges.c.model,
    challenges.c.kind,
    sqlite_where=text("status = 'open'"),
    postgresql_where=text("status = 'open'"),
)

decisions = Table(
    "decisions",
    metadata,
    _key("id"),
    _must("model"),
    _must("kind"),
    _may("version", Integer),
    _must("at", BigInteger),
    _must("actor"),
    _must("evidence", JSONText),
    _may("effect", JSONText),
    _must("created_at", BigInteger),
    Index("ix_decisions_at_id", "at", "id"),
    Index("ix_decisions_model_at_id", "model", "at", "id"),
)

approvals = Table(
    "approvals",
    metadata,
    _key("id"),
    _must("model"),
    _must("version", Integer),
    _must("decision_id"),
    _must("status"),
    _may("actor"),
    _may("comment"),
    _must("created_at", BigInteger),
    _may("decided_at", BigInteger),
    _of_version("version"),
    Index("uq_approvals_decision_id", "decision_id", unique=True),
    Index("ix_approvals_status_model", "status", "model"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _must("at", BigInteger),
    _must("actor"),
    _must("action"),
    _must("subject"),
    _must("detail"),
    _must("previous"),
    _must("digest"),
    Index("ix_audit_subject_seq", "subject", "seq"),
)

jobs = Table(
    "jobs",
    metadata,
    _key("id"),
    _must("task"),
    _must("kind"),
    _must("status"),
    _must("request", JSONText),
    _may("result", JSONText),
    _may("error", JSONText),
    _must("progress", Double),
    _must("message"),
    _must("cancel", Boolean),
    _may("holder"),
    _must("attempts", Integer),
    _must("created_at", BigInteger),
    _may("started_at", BigInteger),
    _may("finished_at", BigInteger),
    _may("heartbeat_at", BigInteger),
    Index("ix_jobs_status_created_at", "status", "created_at"),
    Index("ix_jobs_task_created_at", "task", "created_at"),
)

leases = Table(
    "leases",
    metadata,
    _key("name"),
    _must("holder"),
    _must("token", BigInteger),
    _must("expires_at", BigInteger),
)

progress = Table(
    "progress",
    metadata,
    _key("name"),
    _must("value", JSONText),
    _must("updated_at", BigInteger),
)

feature_definitions = Table(
    "feature_definitions",
    metadata,
    _key("kind"),
    _key("name"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _must("fingerprint"),
    _must("spec", JSONText),
    _must("state"),
    _must("created_at", BigInteger),
    _must("actor"),
)

feature_links = Table(
    "feature_links",
    metadata,
    _key("from_kind"),
    _key("from_id"),
    _key("to_kind"),
    _key("to_id"),
    _must("at", BigInteger),
    Index("ix_feature_links_to_kind_to_id", "to_kind", "to_id"),
)

monitors = Table(
    "monitors",
    metadata,
    _key("task"),
    _key("subject"),
    _must("seq", BigInteger),
    _must("state", LargeBinary),
    _must("at", BigInteger),
)

alerts = Table(
    "alerts",
    metadata,
    _key("id"),
    _must("task"),
    _must("rule"),
    _must("subject"),
    _must("severity"),
    _must("state"),
    _may("value", Double),
    _must("message"),
    _must("evidence", JSONText),
    _must("since", BigInteger),
    _must("fired_at", BigInteger),
    _may("resolved_at", BigInteger),
    _may("acknowledged_at", BigInteger),
    _may("acknowledged_by"),
    _may("comment"),
    Index("ix_alerts_task_fired_at", "task", "fired_at"),
    Index("ix_alerts_state_fired_at", "state", "fired_at"),
)

silences = Table(
    "silences",
    metadata,
    _key("id"),
    _may("task"),
    _may("rule"),
    _may("subject"),
    _must("until", BigInteger),
    _must("reason"),
    _must("actor"),
    _must("created_at", BigInteger),
)

notices_out = Table(
    "notices_out",
    metadata,
    _key("id"),
    _must("alert_id"),
    _must("event"),
    _must("channel"),
    _must("body", JSONText),
    _must("created_at", BigInteger),
    _must("attempts", Integer),
    _must("next_at", BigInteger),
    _may("delivered_at", BigInteger),
    _may("given_up_at", BigInteger),
    _must("error"),
    Index("ix_notices_out_next_at", "next_at"),
)
