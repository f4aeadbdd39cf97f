"""Whatever happens in whatever order: one open alert a key, one end each, and notices of exactly what changed."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from tropism.core.clock import SECOND
from tropism.core.errors import Conflict
from tropism.core.monitoring import Rule
from tropism.monitoring.alerts import AlertStore
from tropism.storage.tables import Database
from tropism.storage.tables.schema import notices_out

if TYPE_CHECKING:
    from pathlib import Path

MINUTE = 60 * SECOND
CHANNELS = ("mail", "pager")
RULES = (
    Rule("drift", "drift > 0.8", "high", cooldown="2m"),
    Rule("age", "drift('age') > 0.8 and not drift < 0.1", hold="2m", cooldown="0s", channels=("pager",)),
    Rule("slow", "latency_p95 > 500ms", hold="1m", cooldown="5m", channels=("nowhere",)),
)
_FIGURES = st.sampled_from([None, 0.0, 0.9, 0.9])
_NUMBERS = itertools.count()


class Life(RuleBasedStateMachine):
    """A task's life: looks by two workers, people, and a clock that is not to be trusted."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.task = f"task-{next(_NUMBERS)}"
        self.stores = (AlertStore(self.database), AlertStore(self.database))
        self.now = 1_000_000_000 * SECOND
        self.declared: tuple[Rule, ...] = RULES
        self.fired: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.resolved: Counter[str] = Counter()

    @rule(
        drift=_FIGURES, age=_FIGURES, latency=_FIGURES, worker=st.integers(0, 1), minutes=st.sampled_from([0, 1, 1, 3])
    )
    def look(self, drift: float | None, age: float | None, latency: float | None, worker: int, minutes: int) -> None:
        self.now += minutes * MINUTE
        facts = {"drift": drift, "drift:age": age, "latency_p95": latency}
        changes = self.stores[worker].apply(self.task, self.declared, facts, self.now, CHANNELS, {"n": 1})
        self.fired.update(alert.id for alert in changes.fired)
        self.told.update(alert.id for alert in changes.told)
        self.resolved.update(alert.id for alert in changes.resolved)

    @rule(hours=st.sampled_from([-1, -24, 24]))
    def clock_jumps(self, hours: int) -> None:
        self.now += hours * 60 * MINUTE

    @rule(count=st.integers(0, 3))
    def rules_change(self, count: int) -> None:
        self.declared = RULES[:count] if count else RULES

    @rule(name=st.sampled_from([None, "drift", "age"]), minutes=st.integers(1, 4))
    def silence(self, name: str | None, minutes: int) -> None:
        until = self.now + minutes * MINUTE
        self.stores[0].silence(task=self.task, rule=name, until=until, reason="works", actor="ann", now=self.now)

    @rule(actor=st.sampled_from(["ann", "bob"]), nth=st.integers(0, 5))
    def acknowledge(self, actor: str, nth: int) -> None:
        found = self.stores[0].list(self.task)
        if found:
            alert = found[nth % len(found)]
            taken = alert.acknowledged_by not in (None, actor) or (alert.state, alert.acknowledged_by) == (
                "resolved",
                None,
            )
            if taken:
                with pytest.raises(Conflict):
                    self.stores[0].acknowledge(alert.id, actor, "", self.now)
            else:
                assert self.stores[0].acknowledge(alert.id, actor, "", self.now).state == alert.state

    @invariant()
    def one_open_alert_a_key(self) -> None:
        opened = Counter((alert.rule, alert.subject) for alert in self.stores[0].list(self.task, "open"))
        assert all(count == 1 for count in opened.values())

    @invariant()
    def what_is_stored_is_what_was_said(self) -> None:
        stored = {alert.id: alert for alert in self.stores[0].list(self.task, limit=10_000)}
        assert self.fired == Counter(stored.keys())
        assert self.told == Counter(self.told.keys())
        assert set(self.told) <= set(self.fired)
        assert self.resolved == Counter(one.id for one in stored.values() if one.state == "resolved")
        assert all(one.resolved_at is None or one.resolved_at >= one.fired_at >= one.since for one in stored.values())

    @invariant()
    def notices_match_the_changes(self) -> None:
        channels = {"drift": CHANNELS, "age": ("pager",), "slow": CHANNELS}
        expected: Counter[tuple[str, str, str]] = Counter()
        for alert in self.stores[0].list(self.task, limit=10_000):
            for channel in channels[alert.rule] if alert.id in self.told else ():
                expected[alert.id, "fired", channel] += 1
                expected[alert.id, "resolved", channel] += alert.id in self.resolved
        with self.database.read() as connection:
            query = select(notices_out).where(notices_out.c.alert_id.in_(tuple(self.fired)))
            rows = connection.execute(query).all()
        assert Counter((row.alert_id, row.event, row.channel) for row in rows) == +expected
        for row in rows:
            assert row.body["type"] == f"alert.{row.event}"
            assert row.body["alert"]["id"] == row.alert_id
            assert row.body["alert"]["state"] == ("open" if row.event == "fired" else "resolved")


def test_whatever_happens(tmp_path: Path) -> None:
    Life.database = Database(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    Life.database.migrate()
    checks = settings(max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    try:
        run_state_machine_as_test(Life, settings=checks)
    finally:
        Life.database.dispose()
