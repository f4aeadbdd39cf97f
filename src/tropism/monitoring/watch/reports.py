"""Reports on their way to the channels, each once however many workers there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from tropism.core.identity import derived_id, task_tag
from tropism.storage.tables.schema import notices_out
from tropism.storage.tables.upsert import insert_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.storage.tables import Database


class Report(NamedTuple):
    """What is sent: one line, the report as text, and as a page."""

    title: str
    text: str
    html: str


class ReportStore:
    """Writes reports where delivery finds them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def missing(self, task: str, period: int, channels: Sequence[str]) -> list[str]:
        """Channels for which a period's report is not there yet."""
        ids = {_id(task, period, channel): channel for channel in channels}
        if not ids:
            return []
        with self._db.read() as connection:
            found = set(connection.scalars(select(notices_out.c.id).where(notices_out.c.id.in_(tuple(ids)))))
        return [channel for one, channel in ids.items() if one not in found]

    def put(self, task: str, period: int, channels: Sequence[str], report: Report, now: int) -> int:
        """Adds the report for each channel that has none of this period; how many were added."""
        body = {"type": "report", "task": task, "title": report.title, "text": report.text, "html": report.html}
        with self._db.begin() as connection:
            return sum(
                insert_once(
                    connection,
                    notices_out,
                    {
                        "id": _id(task, period, channel),
                        "alert_id": "",
                        "event": "report",
                        "channel": channel,
                        "body": body,
                        "created_at": now,
                        "attempts": 0,
                        "next_at": now,
                        "error": "",
                    },
                )
                for channel in channels
            )


def _id(task: str, period: int, channel: str) -> str:
    return derived_id(period, f"report:{task}:{period}:{channel}", task_tag(task))
