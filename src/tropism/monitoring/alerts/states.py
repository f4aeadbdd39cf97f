"""When an alert fires and when it ends: from what rules say of the facts, look by look. No I/O.

Spans are added up from look to look instead of compared with times of day, so a clock that jumps back costs the time
of one look, and no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.clock import SECOND
from tropism.core.identity import derived_id, task_tag
from tropism.monitoring.alerts.alert import Alert
from tropism.monitoring.rules import Judgement, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tropism.core.monitoring import Rule
    from tropism.monitoring.alerts.alert import Silence

RESOLVE_LEAST = 60 * SECOND
"""How long a condition must be false, at least, before its alert ends: one good look is not the end of a problem."""


class RuleState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long a rule's condition has been what it is.

    `holds`: as last known. `known`: whether the last look could tell. `since`: when it became so. `span`: µs that it
    has been so, without what passed while it was unknown. `quiet`: µs of the cool-down that are left.
    """

    holds: bool | None = None
    known: bool = False
    since: int = 0
    span: int = 0
    quiet: int = 0

    def after(self, holds: bool | None, elapsed: int, now: int) -> RuleState:
        """The state at the next look, `elapsed` µs later."""
        quiet = max(0, self.quiet - elapsed)
        if holds is None:
            return msgspec.structs.replace(self, known=False, quiet=quiet)
        if holds != self.holds:
            return RuleState(holds=holds, known=True, since=now, quiet=quiet)
        span = self.span + (elapsed if self.known else 0)
        return msgspec.structs.replace(self, known=True, span=span, quiet=quiet)


class States(msgspec.Struct, frozen=True, kw_only=True):
    """The states of a task's rules at its last look, by rule and condition: a rule that was changed begins anew."""

    at: int | None = None
    rules: dict[str, RuleState] = {}


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What a look changed. `told`: alerts that people are told of now, which is those of `fired` that are not silenced,
    and open ones whose silence has ended. `resolved`: alerts that ended.
    """

    fired: tuple[Alert, ...] = ()
    told: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A look at a task: which one it is (`turn`, counted up), when, and what else is known, kept with what fires."""

    task: str
    turn: int
    now: int
    context: dict[str, Any] = {}


def advance(
    rules: Iterable[Rule],
    facts: Mapping[str, float | None],
    states: States,
    open_alerts: Iterable[Alert],
    silences: Iterable[Silence],
    look: Look,
) -> tuple[States, Changes]:
    """The states after a look, and what it changed.

    An alert fires when its rule's condition is true and has been for the rule's hold, unless one is open for the rule
    and subject, or the rule cools down. It ends when the condition is false and has been for the hold, or a minute if
    that is longer; or when its rule is gone. While a condition is unknown nothing happens, and its span stands still.
    """
    elapsed = 0 if states.at is None else max(0, look.now - states.at)
    still_open = {(alert.rule, alert.subject): alert for alert in open_alerts}
    kept, fired, told, resolved = {}, [], [], []
    silences = tuple(silences)
    for rule in {rule.name: rule for rule in rules}.values():
        said = judge(rule, facts)
        state = states.rules.get(_key(said), RuleState()).after(said.holds, elapsed, look.now)
        alert = still_open.pop((said.rule, said.subject), None)
        silence = _silence(silences, look, said)
        if alert is None and _due(state, said):
            fired.append(_fire(said, state, look, silence))
            told += [fired[-1]] if silence is None else []
        elif alert is not None and said.holds is False and state.span >= max(said.hold, RESOLVE_LEAST):
            resolved.append(_resolve(alert, look.now, "the condition is false", said.figures))
            state = msgspec.structs.replace(state, quiet=said.cooldown)
        elif alert is not None and silence is None and _untold(alert):
            evidence = {**alert.evidence, "told_at": look.now}
            told.append(msgspec.structs.replace(alert, evidence=evidence))
        kept[_key(said)] = state
    resolved += [_resolve(alert, look.now, "the rule is gone", {}) for alert in still_open.values()]
    changes = Changes(fired=tuple(fired), told=tuple(told), resolved=tuple(resolved))
    return States(at=look.now, rules=kept), changes


def _key(said: Judgement) -> str:
    return f"{said.rule}: {said.when}"


def _due(state: RuleState, said: Judgement) -> bool:
    return said.holds is True and state.span >= said.hold and state.quiet == 0


def _untold(alert: Alert) -> bool:
    """Whether nobody knows of an alert: it was silenced, not told of since, and nobody acknowledged it."""
    return "silenced" in alert.evidence and "told_at" not in alert.evidence and alert.acknowledged_at is None


def _silence(silences: Iterable[Silence], look: Look, said: Judgement) -> Silence | None:
    """The silence that holds longest for what a rule says; None where none does."""
    found = [one for one in silences if one.covers(look.task, said.rule, said.subject, look.now)]
    return max(found, key=lambda one: (one.until, one.id), default=None)


def _fire(said: Judgement, state: RuleState, look: Look, silence: Silence | None) -> Alert:
    evidence: dict[str, Any] = {"when": said.when, "figures": said.figures, "context": look.context}
    if silence is not None:
        evidence["silenced"] = {name: getattr(silence, name) for name in ("id", "until", "reason", "actor")}
    return Alert(
        id=derived_id(look.now, f"alert:{look.task}:{said.rule}:{said.subject}:{look.turn}", task_tag(look.task)),
        task=look.task,
        rule=said.rule,
        subject=said.subject,
        severity=said.severity,
        state="open",
        value=said.value,
        message=said.message,
        evidence=evidence,
        since=min(state.since, look.now),
        fired_at=look.now,
    )


def _resolve(alert: Alert, now: int, reason: str, figures: dict[str, float | None]) -> Alert:
    evidence = {**alert.evidence, "resolved": {"reason": reason, "figures": figures}}
    return msgspec.structs.replace(alert, state="resolved", resolved_at=max(now, alert.fired_at), evidence=evidence)
