"""State of detectors, alerts, silences, and the notices of alerts on their way out."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Double, Integer, LargeBinary, PrimaryKeyConstraint, Text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "monitors",
        _must("task"),
        _must("subject"),
        _must("seq", BigInteger),
        _must("state", LargeBinary),
        _must("at", BigInteger),
        PrimaryKeyConstraint("task", "subject", name="pk_monitors"),
    )
    op.create_table(
        "alerts",
        *map(_must, ("id", "task", "rule", "subject", "severity", "state")),
        _may("value", Double),
        *map(_must, ("message", "evidence")),
        _must("since", BigInteger),
        _must("fired_at", BigInteger),
        _may("resolved_at", BigInteger),
        _may("acknowledged_at", BigInteger),
        *map(_may, ("acknowledged_by", "comment")),
        PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_task_fired_at", "alerts", ["task", "fired_at"])
    op.create_index("ix_alerts_state_fired_at", "alerts", ["state", "fired_at"])
    _telling()


def _telling() -> None:
    op.create_table(
        "silences",
        _must("id"),
        *map(_may, ("task", "rule", "subject")),
        _must("until", BigInteger),
        *map(_must, ("reason", "actor")),
        _must("created_at", BigInteger),
        PrimaryKeyConstraint("id", name="pk_silences"),
    )
    op.create_table(
        "notices_out",
        *map(_must, ("id", "alert_id", "event", "channel", "body")),
        _must("created_at", BigInteger),
        _must("attempts", Integer),
        _must("next_at", BigInteger),
        _may("delivered_at", BigInteger),
        _may("given_up_at", BigInteger),
        _must("error"),
        PrimaryKeyConstraint("id", name="pk_notices_out"),
    )
    op.create_index("ix_notices_out_next_at", "notices_out", ["next_at"])


def _must(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)


def _may(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=True)
