"""What a monitor did in a period: its level, its alarms, what causes them, and the false alarms to be expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tropism.monitoring.alarm.detector import ALARM
from tropism.monitoring.watch.monitor import RESOLVED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.monitoring.watch.monitor import Monitor

Subject = Literal["features", "prediction", "loss"]
MOST_POINTS = 240


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A column with evidence of change: its own score, its importance to the model (a share of 1, None where that is
    not known), and since when (µs) its evidence has grown."""

    name: str
    score: float
    importance: float | None = None
    since: int | None = None

    @property
    def weight(self) -> float:
        """Score times importance; the score where the importance is not known."""
        return self.score if self.importance is None else self.score * self.importance


class Monitored(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor at the end of a period.

    `score`: 0 to 1, an alarm from 0.8 on. `alarm`: since when (µs) an alarm is on, None if none is. `causes`: by score
    times importance. `windows`, `alarms`: those of the period. `run_length`: windows between two false alarms, at
    least, on average. `started`: µs. `reference`: what it compares with, in words. `levels`: (µs, score), thinned out
    to the highest of each of MOST_POINTS spans. `problems`: columns that it cannot watch, and why.
    """

    kind: Subject
    score: float
    run_length: float
    alarm: int | None = None
    causes: tuple[Cause, ...] = ()
    windows: int = 0
    alarms: int = 0
    started: int = 0
    reference: str = ""
    levels: tuple[tuple[int, float], ...] = ()
    problems: dict[str, str] = {}

    @property
    def alarming(self) -> bool:
        return self.alarm is not None or self.score >= ALARM

    @property
    def budget(self) -> float:
        """False alarms to be expected of so many windows, at most."""
        return self.windows / self.run_length

    @property
    def since(self) -> int | None:
        """Since when (µs) the evidence has grown: that of the strongest cause; else when the alarm began."""
        told = [cause.since for cause in self.causes[:1] if cause.since is not None]
        return told[0] if told else self.alarm


def monitored(
    kind: Subject,
    monitor: Monitor,
    levels: Sequence[tuple[int, float]],
    period: tuple[int, int],
    *,
    importance: Mapping[str, float] | None = None,
    reference: str = "",
    problems: Mapping[str, str] | None = None,
) -> Monitored:
    """What a monitor did from `period[0]` until `period[1]` (µs).

    `levels`: end (µs) and score of every window in time order, best from before the period on, so that an alarm that
    was on already is not counted again. `importance`: of features; one that is not among them has none.
    """
    inside = [level for level in levels if period[0] < level[0] <= period[1]]
    causes = [
        Cause(
            name=name,
            score=score,
            importance=importance.get(name, 0.0) if importance else None,
            since=monitor.since.get(name),
        )
        for name, score in monitor.columns.items()
        if score > 0
    ]
    return Monitored(
        kind=kind,
        score=monitor.score,
        run_length=monitor.run_length,
        alarm=monitor.alarm,
        causes=tuple(sorted(causes, key=lambda cause: (-cause.weight, -cause.score, cause.name))),
        windows=len(inside),
        alarms=sum(period[0] < at <= period[1] for at in begun(levels)),
        started=monitor.started,
        reference=reference,
        levels=thinned(inside, period),
        problems=dict(problems or {}),
    )


def begun(levels: Sequence[tuple[int, float]]) -> list[int]:
    """When (µs) alarms began: at 0.8, and not again before the score was below 0.5.

    >>> begun([(1, 0.9), (2, 0.7), (3, 0.85), (4, 0.4), (5, 0.8)])
    [1, 5]
    """
    found, on = [], False
    for at, score in levels:
        if not on and score >= ALARM:
            found.append(at)
            on = True
        elif on and score < RESOLVED:
            on = False
    return found


def thinned(
    levels: Sequence[tuple[int, float]], period: tuple[int, int], most: int = MOST_POINTS
) -> tuple[tuple[int, float], ...]:
    """The highest level of each of `most` parts of the period that has one, where there are more than that.

    >>> thinned([(1, 0.2), (2, 0.9), (3, 0.1), (8, 0.3)], (0, 10), most=2)
    ((2, 0.9), (8, 0.3))
    """
    if len(levels) <= most:
        return tuple(levels)
    highest: dict[int, tuple[int, float]] = {}
    for at, score in levels:
        part = min((at - period[0]) * most // max(period[1] - period[0], 1), most - 1)
        if part not in highest or score > highest[part][1]:
            highest[part] = (at, score)
    return tuple(highest.values())
