from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.loop.watching.place import MINUTE, START, Place, task_of, times

from tropism.core.clock import DAY, SECOND, ManualClock
from tropism.core.errors import DiskFull, Fault
from tropism.core.monitoring import Rule
from tropism.loop.watching.facts import FactSources
from tropism.loop.watching.reports import Reports
from tropism.loop.watching.rounds import Rounds, Told
from tropism.monitoring.costs import CostSettings
from tropism.monitoring.watch.reports import Report, ReportStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Make = Callable[..., Place]

MONDAY = (START // (7 * DAY)) * 7 * DAY + 4 * DAY + 7 * DAY


class Desk:
    """Rounds over a place, and what they told."""

    def __init__(self, place: Place, holder: str = "one", **more: Any) -> None:
        platform = place.platform
        self.real = ManualClock(START)
        self.published: list[dict[str, Told]] = []
        self.place = place
        self.rounds = Rounds(
            platform.registry,
            platform.watch,
            platform.alerts,
            FactSources(platform.lake, platform.cohorts, CostSettings()),
            clock=platform.clock,
            real=self.real,
            holder=holder,
            every="15s",
            publish=self._publish,
            **more,
        )

    def _publish(self, told: Mapping[str, Told]) -> None:
        self.published.append(dict(told))

    def at(self, now: int) -> None:
        self.place.to(now)
        self.rounds()


def shifted(place: Place, start: int = START, minutes: int = 10, shift: float = 2.0) -> int:
    end = start + minutes * MINUTE
    place.served(times(start, end, minutes * 100), place.rows(minutes * 100, shift))
    return end + 10 * SECOND


def test_a_shift_fires_an_alert_with_its_causes_and_ends_with_it(place: Make) -> None:
    one = place()
    one.begun()
    desk = Desk(one)
    desk.at(shifted(one))
    (alert,) = [alert for alert in one.platform.alerts.list("price") if alert.rule == "drift"]
    context = alert.evidence["context"]
    assert (alert.state, context["version"], context["causes"][0]["feature"]) == ("open", 1, "a")
    told = desk.published[-1]["price"]
    assert (told.version, told.at) == (1, START + 10 * MINUTE + 10 * SECOND)
    assert (told.facts["drift"] or 0) > 0.8
    assert "drift" in [rule.name for rule in told.rules]
    desk.at(shifted(one, told.at - 10 * SECOND, minutes=90, shift=0.0))
    desk.at(told.at + 95 * MINUTE)
    assert one.platform.alerts.get(alert.id).state == "resolved"


def test_only_one_worker_looks_at_a_time(place: Make) -> None:
    one = place()
    first, second = Desk(one), Desk(one, "two")
    first.at(START)
    second.at(START)
    assert (len(first.published), len(second.published)) == (1, 0)
    second.real.set(START + 10 * MINUTE)
    second.at(START)
    assert len(second.published) == 1


def test_a_task_that_cannot_be_looked_at_keeps_no_other_from_it(
    place: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = place()
    other = task_of()
    one.platform.registry.tasks.apply(type(other)(name="fraud", kind="binary", target="y", features=other.features), 1)
    look = one.platform.watch.look

    def sick(task: Any, now: int) -> Any:
        if task.name == "fraud":
            raise DiskFull("the disk is full", Fault("lake", "", "free some"))
        return look(task, now)

    monkeypatch.setattr(one.platform.watch, "look", sick)
    desk = Desk(one)
    desk.at(START)
    assert set(desk.published[-1]) == {"price"}
    assert "fraud: the disk is full" in caplog.text


def test_nothing_new_is_not_looked_at_again_within_a_window(place: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = place()
    one.begun()
    desk = Desk(one)
    looks: list[int] = []
    look = one.platform.watch.look

    def noted(task: Any, now: int) -> Any:
        looks.append(now)
        return look(task, now)

    monkeypatch.setattr(one.platform.watch, "look", noted)
    desk.at(START)
    desk.at(START + 15 * SECOND)
    assert len(looks) == 1
    desk.at(START - SECOND)  # the clock went back
    desk.at(START + 60 * SECOND)
    one.served([START + 30 * SECOND], one.rows(1))
    desk.at(START + 61 * SECOND)
    one.promote(START + 62 * SECOND)
    desk.at(START + 63 * SECOND)
    assert len(looks) == 5


def test_a_rules_channels_are_told_of(place: Make) -> None:
    one = place(task_of(rules=(Rule("stale", "freshness > 5m"),)))
    one.begun()
    desk = Desk(one, channels=["ops"])
    one.served([START], one.rows(1))
    desk.at(START + 10 * MINUTE)
    assert [alert.rule for alert in one.platform.alerts.list("price")] == ["stale"]


class Office:
    """Reports of a place, and what was made for them."""

    def __init__(self, place: Place, every: str = "7d", channels: tuple[str, ...] = ("mail", "ops")) -> None:
        self.made: list[tuple[str, int]] = []
        self.real = ManualClock(START)
        self.broken = False
        self.task = place.task
        store = ReportStore(place.platform.database)
        registry = place.platform.registry
        self.reports = Reports(registry, store, self._make, every=every, channels=channels, real=self.real)

    def _make(self, task: str, days: int) -> Report:
        self.made.append((task, days))
        if self.broken:
            raise DiskFull("the disk is full")
        return Report("title", "text", "<p>")

    def at(self, now: int) -> int:
        return self.reports(self.task, now)


def test_a_report_is_due_each_monday_once_however_many_workers_there_are(place: Make) -> None:
    one = place()
    one.promote(START)
    offices = [Office(one), Office(one)]
    assert [office.at(START + 1) for office in offices] == [0, 0]  # the week has just begun for this champion
    assert [office.at(MONDAY) for office in offices] == [2, 0]
    assert [office.at(MONDAY + DAY) for office in offices] == [0, 0]
    assert offices[0].made == [("price", 7)]
    assert [office.at(MONDAY + 9 * DAY) for office in reversed(offices)] == [2, 0]


def test_a_worker_that_was_away_for_weeks_writes_one_report(place: Make) -> None:
    one = place()
    one.promote(START)
    office = Office(one)
    assert office.at(MONDAY + 100 * DAY) == 2
    assert len(office.made) == 1


def test_a_report_that_cannot_be_made_is_tried_again_an_hour_later(place: Make) -> None:
    one = place()
    one.promote(START)
    office = Office(one)
    office.broken = True
    with pytest.raises(DiskFull):
        office.at(MONDAY)
    office.broken = False
    assert office.at(MONDAY + MINUTE) == 0
    office.real.set(START + 60 * MINUTE)
    assert office.at(MONDAY + 60 * MINUTE) == 2


def test_no_reports_where_none_are_wanted_or_nobody_is_told(place: Make) -> None:
    one = place()
    assert Office(one).at(MONDAY) == 0
    one.promote(START)
    assert Office(one, every="0").at(MONDAY) == 0
    assert Office(one, channels=()).at(MONDAY) == 0
