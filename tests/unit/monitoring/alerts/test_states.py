"""When alerts fire and end, look by look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tropism.core.clock import SECOND
from tropism.core.monitoring import Rule
from tropism.monitoring.alerts.alert import Silence
from tropism.monitoring.alerts.states import Changes, Look, States, advance

if TYPE_CHECKING:
    from tropism.monitoring.alerts.alert import Alert

MINUTE = 60 * SECOND
START = 1_000_000_000 * SECOND
BAD, GOOD = 0.9, 0.1
EAGER = Rule("drift", "drift > 0.8", "high", cooldown="0s")


class Watched:
    """A task with one figure, looked at again and again; remembers what is open."""

    def __init__(self, *rules: Rule) -> None:
        self.rules: tuple[Rule, ...] = rules
        self.now = START
        self.states = States()
        self.open: dict[str, Alert] = {}
        self.silences: list[Silence] = []
        self.turn = 0

    def look(self, drift: float | None, after: int = MINUTE, facts: dict[str, float] | None = None) -> Changes:
        self.now += after
        self.turn += 1
        look = Look(task="price", turn=self.turn, now=self.now, context={"causes": ["age"]})
        known = {"drift": drift, **(facts or {})}
        self.states, changes = advance(self.rules, known, self.states, self.open.values(), self.silences, look)
        for alert in (*changes.fired, *changes.told):
            self.open[alert.id] = alert
        for alert in changes.resolved:
            del self.open[alert.id]
        return changes

    def says(self, *drifts: float | None) -> str:
        """A letter for each look, a minute apart: f(ired), r(esolved) or nothing (.)."""
        looks = [self.look(drift) for drift in drifts]
        return "".join("f" if one.fired else "r" if one.resolved else "." for one in looks)

    def silence(self, **fields: Any) -> None:
        values = {"id": "s", "until": self.now + 10 * MINUTE, "reason": "works", "actor": "ann", "created_at": self.now}
        self.silences.append(Silence(**{**values, **fields}))


def test_an_alert_fires_once_and_ends_when_the_condition_was_false_for_a_minute() -> None:
    assert Watched(EAGER).says(GOOD, BAD, BAD, BAD, GOOD, GOOD, GOOD, BAD) == ".f...r.f"


def test_one_good_look_does_not_end_it() -> None:
    assert Watched(EAGER).says(BAD, GOOD, BAD, GOOD, BAD, GOOD, GOOD) == "f.....r"


def test_the_condition_must_hold_for_the_hold_without_interruption() -> None:
    slow = Rule("drift", "drift > 0.8", hold="3m", cooldown="0s")
    assert Watched(slow).says(BAD, BAD, GOOD, BAD, BAD, BAD, BAD, BAD) == "......f."
    assert Watched(slow).says(BAD, BAD, BAD, BAD, GOOD, GOOD, GOOD, BAD, GOOD, GOOD, GOOD, GOOD) == "...f.......r"


def test_the_unknown_neither_fires_nor_resolves_and_stops_the_clock() -> None:
    slow = Rule("drift", "drift > 0.8", hold="2m", cooldown="0s")
    watched = Watched(slow)
    assert watched.says(None, None, BAD, BAD, None, None, None, BAD) == "........"
    assert watched.says(BAD) == "f"
    assert watched.says(BAD, BAD, BAD, None, None) == "....."
    assert watched.says(GOOD, GOOD, *[None] * 30, GOOD, GOOD) == "." * 33 + "r"


def test_it_stays_quiet_for_the_cool_down_after_it_ended() -> None:
    rule = Rule("drift", "drift > 0.8", cooldown="3m")
    assert Watched(rule).says(BAD, GOOD, GOOD, BAD, BAD, BAD, BAD) == "f.r..f."


def test_the_cool_down_runs_while_the_figure_is_unknown() -> None:
    rule = Rule("drift", "drift > 0.8", cooldown="3m")
    assert Watched(rule).says(BAD, GOOD, GOOD, None, None, None, BAD) == "f.r...f"


def test_what_fired_is_told_with_its_grounds() -> None:
    watched = Watched(Rule("drift", "drift > 0.8", "high", hold="1m"))
    watched.look(BAD)
    (alert,) = watched.look(BAD).told
    assert (alert.task, alert.rule, alert.subject, alert.severity) == ("price", "drift", "", "high")
    assert (alert.state, alert.value, alert.since, alert.fired_at) == ("open", 0.9, START + MINUTE, START + 2 * MINUTE)
    expected = {"when": "drift > 0.8", "figures": {"drift": 0.9}, "context": {"causes": ["age"]}}
    assert alert.evidence == expected
    watched.look(GOOD)
    (ended,) = watched.look(GOOD).resolved
    assert (ended.id, ended.state, ended.resolved_at) == (alert.id, "resolved", watched.now)
    assert ended.evidence["resolved"] == {"reason": "the condition is false", "figures": {"drift": 0.1}}


def test_each_rule_and_subject_has_an_alert_of_its_own() -> None:
    watched = Watched(EAGER, Rule("age", "drift('age') > 0.8"), Rule("city", "drift('city') > 0.8"))
    changes = watched.look(BAD, MINUTE, {"drift:age": BAD, "drift:city": GOOD})
    assert [(alert.rule, alert.subject) for alert in changes.fired] == [("drift", ""), ("age", "age")]
    assert len({alert.id for alert in changes.fired}) == 2


def test_a_rule_that_is_gone_or_of_something_else_ends_its_alert() -> None:
    watched = Watched(EAGER)
    watched.look(BAD)
    watched.rules = (Rule("drift", "drift('age') > 0.8"),)
    changes = watched.look(BAD, MINUTE, {"drift:age": BAD})
    assert changes.resolved[0].evidence["resolved"]["reason"] == "the rule is gone"
    assert [alert.subject for alert in changes.fired] == ["age"]
    watched.rules = ()
    assert [alert.subject for alert in watched.look(BAD).resolved] == ["age"]


def test_a_rule_that_was_changed_begins_its_hold_anew_but_keeps_its_alert() -> None:
    watched = Watched(Rule("drift", "drift > 0.5", hold="2m"))
    assert watched.says(BAD, BAD) == ".."
    watched.rules = (Rule("drift", "drift > 0.6", hold="2m"),)
    assert watched.says(BAD, BAD, BAD) == "..f"
    watched.rules = (Rule("drift", "drift > 0.7", hold="2m"),)
    assert watched.says(BAD, BAD, BAD) == "..."
    assert len(watched.open) == 1


def test_silenced_it_fires_without_a_word_and_is_told_of_when_the_silence_ends() -> None:
    watched = Watched(EAGER)
    watched.silence(rule="drift")
    changes = watched.look(BAD)
    assert (len(changes.fired), changes.told) == (1, ())
    assert changes.fired[0].evidence["silenced"]["reason"] == "works"
    assert not any(watched.look(BAD).told for _ in range(8))
    (told,) = watched.look(BAD).told
    assert told.evidence["told_at"] == watched.now == START + 10 * MINUTE
    assert watched.look(BAD) == Changes()


def test_silenced_and_over_before_the_silence_it_is_never_told_of() -> None:
    watched = Watched(EAGER)
    watched.silence()
    assert watched.says(BAD, GOOD, GOOD) == "f.r"
    assert not any(watched.look(GOOD).told for _ in range(20))


@pytest.mark.parametrize("other", [{"task": "fraud"}, {"rule": "decay"}, {"subject": "age"}, {"until": START}])
def test_a_silence_of_something_else_is_no_silence(other: dict[str, Any]) -> None:
    watched = Watched(EAGER)
    watched.silence(**other)
    assert len(watched.look(BAD).told) == 1


@pytest.mark.parametrize("jump", [-1, -3_600, -10 * 86_400, -START // SECOND - 5])
def test_a_clock_that_jumps_back_costs_one_look(jump: int) -> None:
    watched = Watched(Rule("drift", "drift > 0.8", hold="2m", cooldown="2m"))
    assert watched.says(BAD, BAD) == ".."
    assert watched.look(BAD, after=jump * SECOND) == Changes()
    (fired,) = watched.look(BAD).fired
    assert fired.since <= fired.fired_at == watched.now
    watched.look(GOOD, after=jump * SECOND)
    watched.look(GOOD)
    (ended,) = watched.look(GOOD).resolved
    assert ended.resolved_at is not None
    assert ended.resolved_at >= ended.fired_at
    watched.look(BAD, after=jump * SECOND)
    assert watched.says(BAD, BAD) == ".f"


def test_a_clock_that_jumped_ahead_and_came_back_leaves_no_long_silence() -> None:
    watched = Watched(Rule("drift", "drift > 0.8", cooldown="5m"))
    watched.look(GOOD, after=400 * 86_400 * SECOND)
    assert watched.says(BAD, GOOD, GOOD) == "f.r"
    watched.look(BAD, after=-400 * 86_400 * SECOND)
    assert watched.says(BAD, BAD, BAD, BAD, BAD) == "....f"


def test_alerts_of_one_moment_that_came_twice_are_two() -> None:
    watched = Watched(EAGER)
    (first,) = watched.look(BAD).fired
    assert watched.says(GOOD, GOOD) == ".r"
    (second,) = watched.look(BAD, after=-2 * MINUTE).fired
    assert second.fired_at == first.fired_at
    assert second.id != first.id


def test_two_rules_of_one_name_are_one() -> None:
    watched = Watched(EAGER, EAGER)
    assert len(watched.look(BAD).fired) == 1
