"""Alerts and silences, kept in tables. Any number of workers may look at a task at once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import or_, select

from tropism.core.clock import DAY
from tropism.core.errors import Conflict, Fault, InvalidInput, NotFound, NotReady
from tropism.core.identity import derived_id
from tropism.monitoring.alerts.alert import Alert, Silence
from tropism.monitoring.alerts.notices import write_notices
from tropism.monitoring.alerts.states import Changes, Look, States, advance
from tropism.registry.audit import append
from tropism.registry.records import record
from tropism.storage.tables.schema import alerts, monitors, silences
from tropism.storage.tables.upsert import insert_once

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from tropism.core.monitoring import Rule
    from tropism.storage.tables import Database

SUBJECT = "rules"
"""The row of `monitors` that holds the states of a task's rules."""
LONGEST_SILENCE = 366 * DAY
_ATTEMPTS = 20
_LONGEST_TEXT = 2_000


class _MovedError(Exception):
    """Another worker looked at the task in between."""


class AlertStore:
    """Turns what rules say into alerts and notices, and keeps what people say of them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def apply(
        self,
        task: str,
        rules: Sequence[Rule],
        facts: Mapping[str, float | None],
        now: int,
        channels: Sequence[str] = (),
        evidence: Mapping[str, Any] | None = None,
    ) -> Changes:
        """One look at a task: alerts that fire and end, their notices and the rules' states, in one transaction.

        `rules` are those that hold (`core.monitoring.effective_rules`); none ends every alert of the task. `channels`
        are all that there are. `evidence` is kept as the `context` of
        what fires. A look that raises changed nothing.

        Raises:
            InvalidInput: a rule's condition or duration is none.
            NotReady: too many others look at the task at once.
        """
        for _ in range(_ATTEMPTS):
            with suppress(_MovedError), self._db.begin() as connection:
                row = connection.execute(select(monitors).where(_of_rules(task))).first()
                seq = 0 if row is None else int(row.seq)
                before = States() if row is None else _states(row.state)
                look = Look(task=task, turn=seq + 1, now=now, context=dict(evidence or {}))
                opened, quiet = _open(connection, task), _active(connection, task, now)
                after, changes = advance(rules, facts, before, opened, quiet, look)
                _save_states(connection, look, after, first=row is None)
                _save_alerts(connection, changes)
                write_notices(connection, changes, rules, channels, now)
                return changes
        fix = "try again, or let fewer workers look at a task"
        raise NotReady(f"others look at '{task}' all the time", Fault("task", repr(task), fix))

    def list(
        self,
        task: str | None = None,
        state: Literal["open", "acknowledged", "resolved"] | None = None,
        limit: int = 100,
    ) -> tuple[Alert, ...]:
        """Alerts, the newest first. Open ones include those that somebody acknowledged."""
        query = select(alerts).order_by(alerts.c.fired_at.desc(), alerts.c.id.desc()).limit(limit)
        if task is not None:
            query = query.where(alerts.c.task == task)
        if state is not None:
            query = query.where(alerts.c.state == ("resolved" if state == "resolved" else "open"))
        if state == "acknowledged":
            query = query.where(alerts.c.acknowledged_at.is_not(None))
        with self._db.read() as connection:
            return tuple(record(Alert, row) for row in connection.execute(query))

    def get(self, alert_id: str) -> Alert:
        """Raises: NotFound: there is no such alert."""
        with self._db.read() as connection:
            return _require(connection, alert_id)

    def acknowledge(self, alert_id: str, actor: str, comment: str, now: int) -> Alert:
        """Notes that somebody looks after an alert; it stays open until its condition is false. Again by the same
        person changes nothing. Noted in the audit log.

        Raises:
            NotFound: there is no such alert.
            Conflict: it has ended, or somebody else acknowledged it.
            InvalidInput: a text is empty or too long.
        """
        _check_texts({"actor": actor}, {"comment": comment})
        with self._db.exclusive() as connection:
            alert = _require(connection, alert_id)
            if alert.acknowledged_at is not None and alert.acknowledged_by != actor:
                fault = Fault("id", repr(alert_id), f"{alert.acknowledged_by} looks after it: nothing needs to be done")
                raise Conflict(f"{alert.acknowledged_by} acknowledged this alert before", fault)
            if alert.acknowledged_at is not None:
                return alert
            values = {"acknowledged_at": now, "acknowledged_by": actor, "comment": comment}
            chosen = (alerts.c.id == alert_id) & (alerts.c.state == "open")
            if connection.execute(alerts.update().where(chosen).values(**values)).rowcount == 0:
                raise Conflict("this alert has ended", Fault("id", repr(alert_id), "nothing needs to be done"))
            detail = {"task": alert.task, "rule": alert.rule, "comment": comment}
            append(connection, at=now, actor=actor, action="alert.acknowledged", subject=alert_id, detail=detail)
            return _require(connection, alert_id)

    def silence(
        self,
        *,
        until: int,
        reason: str,
        actor: str,
        now: int,
        task: str | None = None,
        rule: str | None = None,
        subject: str | None = None,
    ) -> Silence:
        """Lets nobody be told of alerts of a task, a rule, a subject (None: any) until a time in µs. They fire all the
        same; those that are open when it ends are told of then. Asking twice at once gives one. Noted in the audit log.

        Raises:
            InvalidInput: `until` is not ahead, or more than a year; a text is empty or too long.
        """
        named = {"task": task, "rule": rule, "subject": subject}
        _check_texts({"reason": reason, "actor": actor}, named)
        if not now < until <= now + LONGEST_SILENCE:
            fix = "name a time ahead, up to a year; to be rid of a rule for good, switch it off in project.py"
            raise InvalidInput("a silence needs an end", Fault("until", str(until)[:40], fix))
        made = derived_id(now, msgspec.json.encode(["silence", task, rule, subject, until, reason, actor]).decode())
        new = Silence(
            id=made, task=task, rule=rule, subject=subject, until=until, reason=reason, actor=actor, created_at=now
        )
        with self._db.exclusive() as connection:
            if insert_once(connection, silences, msgspec.structs.asdict(new)):
                detail = {**named, "until": until, "reason": reason}
                append(connection, at=now, actor=actor, action="alerts.silenced", subject=made, detail=detail)
        return new

    def silences(self, now: int) -> tuple[Silence, ...]:
        """The silences that hold, the one that ends first first."""
        with self._db.read() as connection:
            return _active(connection, None, now)

    def unsilence(self, silence_id: str, actor: str, now: int) -> Silence:
        """Ends a silence before its time. Noted in the audit log.

        Raises:
            NotFound: there is none of this id; it may have been ended before.
        """
        _check_texts({"actor": actor}, {})
        with self._db.exclusive() as connection:
            row = connection.execute(select(silences).where(silences.c.id == silence_id)).first()
            if row is None:
                fix = "list those that hold with `tropism alerts silences`"
                raise NotFound(f"there is no silence '{silence_id}'", Fault("id", repr(silence_id), fix))
            connection.execute(silences.delete().where(silences.c.id == silence_id))
            append(connection, at=now, actor=actor, action="alerts.unsilenced", subject=silence_id, detail={})
            return record(Silence, row)


def _of_rules(task: str) -> Any:
    return (monitors.c.task == task) & (monitors.c.subject == SUBJECT)


def _states(stored: bytes) -> States:
    """States as they were stored; none where they cannot be read: alerts that are late beat alerts that never come."""
    try:
        return msgspec.json.decode(stored, type=States)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return States()


def _open(connection: Connection, task: str) -> tuple[Alert, ...]:
    query = select(alerts).where(alerts.c.task == task, alerts.c.state == "open").order_by(alerts.c.fired_at)
    return tuple(record(Alert, row) for row in connection.execute(query))


def _active(connection: Connection, task: str | None, now: int) -> tuple[Silence, ...]:
    query = select(silences).where(silences.c.until > now).order_by(silences.c.until, silences.c.id)
    if task is not None:
        query = query.where(or_(silences.c.task == task, silences.c.task.is_(None)))
    return tuple(record(Silence, row) for row in connection.execute(query))


def _save_states(connection: Connection, look: Look, states: States, *, first: bool) -> None:
    """Stores the states if nobody else has since they were read.

    Raises:
        _MovedError: somebody has.
    """
    values = {"seq": look.turn, "state": msgspec.json.encode(states), "at": look.now}
    if first:
        done = insert_once(connection, monitors, {"task": look.task, "subject": SUBJECT, **values})
    else:
        chosen = _of_rules(look.task) & (monitors.c.seq == look.turn - 1)
        done = connection.execute(monitors.update().where(chosen).values(**values)).rowcount == 1
    if not done:
        raise _MovedError


def _save_alerts(connection: Connection, changes: Changes) -> None:
    for alert in changes.fired:
        connection.execute(alerts.insert(), msgspec.structs.asdict(alert))
    for alert in (*changes.told, *changes.resolved):
        values = {"state": alert.state, "resolved_at": alert.resolved_at, "evidence": alert.evidence}
        connection.execute(alerts.update().where(alerts.c.id == alert.id).values(**values))


def _require(connection: Connection, alert_id: str) -> Alert:
    row = connection.execute(select(alerts).where(alerts.c.id == alert_id)).first()
    if row is None:
        fix = "list them with `tropism alerts`"
        raise NotFound(f"there is no alert '{alert_id}'", Fault("id", repr(alert_id), fix))
    return record(Alert, row)


def _check_texts(needed: Mapping[str, str], others: Mapping[str, str | None]) -> None:
    """Raises: InvalidInput: a text is empty but `needed`, is too long, or has a NUL, which PostgreSQL cannot store."""
    faults = [Fault(field, "''", "say so in a few words") for field, text in needed.items() if not text.strip()]
    for field, text in {**needed, **others}.items():
        if text is not None and (len(text) > _LONGEST_TEXT or "\0" in text):
            faults.append(Fault(field, f"{len(text)} characters", f"use at most {_LONGEST_TEXT}, and no NUL"))
    if faults:
        raise InvalidInput("a text cannot be used", *faults)
