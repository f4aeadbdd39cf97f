"""Notices of alerts, put where delivery finds them: one for each channel that is to hear of an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import select

from tropism.core.identity import derived_id, task_tag
from tropism.storage.tables.schema import notices_out
from tropism.storage.tables.upsert import insert_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from tropism.core.monitoring import Rule
    from tropism.monitoring.alerts.alert import Alert
    from tropism.monitoring.alerts.states import Changes

Event = Literal["fired", "resolved"]


def notice_id(alert: Alert, event: Event, channel: str) -> str:
    """The id of a notice: the same whenever it is asked for, so that none is written twice."""
    return derived_id(alert.fired_at, f"notice:{alert.id}:{event}:{channel}", task_tag(alert.task))


def notice_body(alert: Alert, event: Event) -> dict[str, Any]:
    """What receivers are sent: `{"type": "alert.fired" or "alert.resolved", "alert": {...}}`.

    The type and the alert's id together are the same in every notice of an event, and in no other.
    """
    return {"type": f"alert.{event}", "alert": msgspec.structs.asdict(alert)}


def write_notices(
    connection: Connection, changes: Changes, rules: Iterable[Rule], channels: Sequence[str], now: int
) -> None:
    """Writes the notices of changes, in the transaction given.

    Of a firing, for the channels that its rule names, or all of them where it names none that there is. Of an end, for
    the channels that were told of the firing, so that what they opened is closed, silence or not.
    """
    named = {rule.name: rule.channels for rule in rules}
    for alert in changes.told:
        chosen = [channel for channel in channels if channel in named[alert.rule]] or channels
        for channel in dict.fromkeys(chosen):
            _write(connection, alert, "fired", channel, now)
    for alert in changes.resolved:
        for channel in _heard(connection, alert, channels):
            _write(connection, alert, "resolved", channel, now)


def _heard(connection: Connection, alert: Alert, channels: Iterable[str]) -> list[str]:
    """The channels that were told that an alert fired."""
    ids = {notice_id(alert, "fired", channel): channel for channel in channels}
    if not ids:
        return []
    found = connection.scalars(select(notices_out.c.id).where(notices_out.c.id.in_(tuple(ids))))
    return [ids[one] for one in found]


def _write(connection: Connection, alert: Alert, event: Event, channel: str, now: int) -> None:
    row: Mapping[str, Any] = {
        "id": notice_id(alert, event, channel),
        "alert_id": alert.id,
        "event": event,
        "channel": channel,
        "body": notice_body(alert, event),
        "created_at": now,
        "attempts": 0,
        "next_at": now,
        "error": "",
    }
    insert_once(connection, notices_out, row)
