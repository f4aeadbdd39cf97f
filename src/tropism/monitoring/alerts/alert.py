"""What an alert is, and what a silence is."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tropism.core.monitoring import Severity

AlertState = Literal["open", "resolved"]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that fired. One at a time is open for a task, rule and subject.

    `subject`: the features and segments that the rule names, empty for the task as a whole. `value`: of the metric that
    the rule names first, when it fired. `since`: when the condition became true; `fired_at`: when it had been so for
    the rule's hold. `evidence`: `when` (the condition), `figures`, and `context`, what else was known; `silenced`
    if nobody was told at first, then `told_at`; `resolved`, why it ended. Times are µs since the epoch.
    """

    id: str
    task: str
    rule: str
    subject: str
    severity: Severity
    state: AlertState
    value: float | None
    message: str
    evidence: dict[str, Any]
    since: int
    fired_at: int
    resolved_at: int | None = None
    acknowledged_at: int | None = None
    acknowledged_by: str | None = None
    comment: str | None = None


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts that nobody is told of until a time: of a task, a rule, a subject; None is each of them.

    >>> silence = Silence(id="s", task="price", until=9, reason="moving house", actor="ann", created_at=0)
    >>> silence.covers("price", "drift", "age", now=8), silence.covers("price", "drift", "age", now=9)
    (True, False)
    """

    id: str
    task: str | None = None
    rule: str | None = None
    subject: str | None = None
    until: int
    reason: str
    actor: str
    created_at: int

    def covers(self, task: str, rule: str, subject: str, now: int) -> bool:
        """Whether it holds at `now` for alerts of these."""
        pairs = ((self.task, task), (self.rule, rule), (self.subject, subject))
        return now < self.until and all(named is None or named == given for named, given in pairs)
