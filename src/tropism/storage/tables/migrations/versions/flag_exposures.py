"""Flags, as the data planes answer them; and the audit trail of one subject."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "flag_exposures",
        *(Column(name, Text, nullable=False) for name in ("flag", "variant")),
        *(Column(name, BigInteger, nullable=False) for name in ("hour", "evaluations", "last_at")),
        PrimaryKeyConstraint("flag", "variant", "hour", name="pk_flag_exposures"),
    )
    op.create_index("ix_audit_subject_seq", "audit", ["subject", "seq"])
