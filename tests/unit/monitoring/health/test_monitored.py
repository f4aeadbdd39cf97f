from __future__ import annotations

import pytest

from tropism.monitoring.alarm.detector import State
from tropism.monitoring.health.monitored import MOST_POINTS, begun, monitored, thinned
from tropism.monitoring.watch.monitor import Monitor


def state(**changes: object) -> Monitor:
    given = {
        "reference": b"",
        "state": State(b"", b"", b""),
        "until": 100,
        "run_length": 50.0,
        "tolerance": 0.005,
        "score": 0.9,
        "columns": {"a": 0.9, "b": 0.6, "c": 0.0},
        "since": {"a": 11, "b": 12, "c": 13},
        "alarm": 95,
    }
    return Monitor(**(given | changes))  # type: ignore[arg-type]


def test_causes_are_ranked_by_score_times_importance() -> None:
    found = monitored("features", state(), [], (0, 100), importance={"a": 0.1, "b": 0.5})

    assert [(cause.name, cause.importance, cause.since) for cause in found.causes] == [("b", 0.5, 12), ("a", 0.1, 11)]
    assert found.since == 12


def test_without_importance_the_score_ranks_them() -> None:
    found = monitored("features", state(), [], (0, 100))

    assert [(cause.name, cause.importance, cause.weight) for cause in found.causes] == [
        ("a", None, 0.9),
        ("b", None, 0.6),
    ]


def test_a_feature_without_importance_comes_last() -> None:
    found = monitored("features", state(), [], (0, 100), importance={"b": 0.5})

    assert [cause.name for cause in found.causes] == ["b", "a"]


def test_the_budget_is_of_the_windows_of_the_period() -> None:
    levels = [(at, 0.1) for at in range(1, 101)]

    found = monitored("features", state(), levels, (50, 100))

    assert found.windows == 50
    assert found.budget == pytest.approx(1.0)


def test_an_alarm_that_was_on_before_is_not_counted_again() -> None:
    levels = [(40, 0.9), (60, 0.85), (70, 0.3), (80, 0.9)]

    assert monitored("loss", state(), levels, (50, 100)).alarms == 1


def test_an_alarm_stays_one_while_it_wavers() -> None:
    assert begun([(1, 0.81), (2, 0.6), (3, 0.82), (4, 0.51), (5, 0.99)]) == [1]


def test_thinning_keeps_the_highest_of_each_span() -> None:
    levels = [(at, 0.9 if at == 777 else 0.1) for at in range(10_000)]

    found = thinned(levels, (0, 10_000))

    assert len(found) == MOST_POINTS
    assert (777, 0.9) in found
    assert [at for at, _ in found] == sorted(at for at, _ in found)


def test_alarming_is_a_score_of_08_or_an_alarm_that_is_not_over() -> None:
    def at(score: float, alarm: int | None) -> bool:
        return monitored("loss", state(score=score, alarm=alarm), [], (0, 100)).alarming

    assert [at(0.79, None), at(0.8, None), at(0.6, 90)] == [False, True, True]
