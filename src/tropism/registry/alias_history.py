"""Where aliases pointed in the past, as the audit log tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import or_, select

from tropism.registry.aliases import CHAMPION, PREVIOUS
from tropism.storage.tables.schema import audit

if TYPE_CHECKING:
    from tropism.storage.tables import Database

_MOVED, _PROMOTED, _BACK = "alias.moved", "model.promoted", "model.rolled-back"


class AliasMove(msgspec.Struct, frozen=True, kw_only=True):
    """An alias that came to `version` from `before` (None: from nothing, or the log does not tell). `seq`: its row in
    the audit log."""

    seq: int
    at: int
    actor: str
    alias: str
    version: int
    before: int | None
    decision_id: str | None = None


def alias_moves(db: Database, model: str, alias: str | None = None, limit: int = 1_000) -> tuple[AliasMove, ...]:
    """Moves of a model's aliases, or of one of them, the newest first; from the last `limit` rows that tell of any."""
    about = or_(audit.c.subject == model, audit.c.subject.startswith(f"{model}/", autoescape=True))
    query = select(audit).where(audit.c.action.in_((_MOVED, _PROMOTED, _BACK)), about)
    with db.read() as connection:
        rows = connection.execute(query.order_by(audit.c.seq.desc()).limit(limit)).all()
    found = [move for row in rows for move in _moves(row.seq, row.at, row.actor, row.action, row.detail)]
    return tuple(move for move in found if alias in (None, move.alias))


def _moves(seq: int, at: int, actor: str, action: str, detail: str) -> list[AliasMove]:
    facts = msgspec.json.decode(detail)
    if action == _MOVED:
        pointed = [(facts["alias"], facts["version"], facts["before"], None)]
    else:
        pointed = [(CHAMPION, facts["version"], facts["previous"], facts["decision_id"])]
        if facts["previous"] is not None:
            before = facts["version"] if action == _BACK else None
            pointed.append((PREVIOUS, facts["previous"], before, facts["decision_id"]))
    return [
        AliasMove(seq=seq, at=at, actor=actor, alias=alias, version=version, before=before, decision_id=decision)
        for alias, version, before, decision in pointed
    ]
