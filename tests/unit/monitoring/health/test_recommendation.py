from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tropism.core.clock import DAY
from tropism.monitoring.estimation.estimate import Estimate
from tropism.monitoring.figures import Figure
from tropism.monitoring.health.facts import Decided, Feedback
from tropism.monitoring.health.monitored import Cause, Monitored
from tropism.monitoring.health.recommendation import RULES, recommend
from tropism.monitoring.quality import Arrivals, FeatureQuality, Quality
from tropism.monitoring.tracking import Performance

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.monitoring.health.facts import HealthFacts

    Facts = Callable[..., HealthFacts]

START, END = 20_000 * DAY, 20_007 * DAY
PROMOTED = START - 40 * DAY


def fared(value: float, baseline: float | None = 0.2, rows: int = 5_000) -> Performance:
    def figure(at: float) -> Figure:
        return Figure(rows, at, at - 0.01, at + 0.01)

    beside = {} if baseline is None else {"brier": figure(baseline)}
    return Performance(start=START, end=END, version=7, rows=rows, metrics={"brier": figure(value)}, baseline=beside)


def watched(**levels: tuple[float, int]) -> tuple[Monitored, ...]:
    """Monitors by kind, with a score and since when."""
    calm = dict.fromkeys(("features", "prediction", "loss"), (0.1, START))
    return tuple(
        Monitored(
            kind=kind,  # type: ignore[arg-type]
            score=level,
            run_length=1e5,
            alarm=since if level >= 0.8 else None,
            causes=(Cause(name="amount" if kind == "features" else kind, score=level, since=since),),
        )
        for kind, (level, since) in (calm | levels).items()
    )


def checked(rows: Arrivals | None = None, **feature: Any) -> Quality:
    sound = FeatureQuality(name="age", rows=100, type="number", score=1.0)
    wrong = msgspec.structs.replace(sound, **feature)
    return Quality(score=0.9, features=(wrong,), arrivals=rows or Arrivals(rows=100), changes={})


def decided(kind: str, at: int) -> Decided:
    return Decided(id="d", at=at, kind=kind, version=8, reason="")


def estimated(low: float, high: float) -> tuple[Estimate, ...]:
    return (Estimate(metric="brier", value=(low + high) / 2, low=low, high=high, rows=900),)


LOSS = {"monitors": watched(loss=(0.9, START + DAY))}
SOON = {"monitors": watched(loss=(0.9, PROMOTED + DAY)), "current": fared(0.15)}
DRIFT = {"monitors": watched(features=(0.9, START + DAY))}
FEW = {"current": fared(0.1, rows=40)}

CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "all is well": ({}, "nothing", "nothing wrong"),
    "no model": ({"version": None}, "wait", "no model"),
    "missing values jumped": ({"quality": checked(missing=40, score=0.6)}, "look_at_data", "broken data"),
    "a few more are missing": ({"quality": checked(missing=5, score=0.95)}, "nothing", "nothing wrong"),
    "a type changed": ({"quality": checked(change="retyped")}, "look_at_data", "broken data"),
    "a feature is gone": ({"quality": checked(rows=Arrivals(rows=9), change="gone")}, "look_at_data", "broken data"),
    "a feature is new": ({"quality": checked(change="new")}, "nothing", "nothing wrong"),
    "a column is unreadable": ({"quality": checked(problem="no column 'f_age'")}, "look_at_data", "broken data"),
    "an unwatched column": ({"problems": {"age": "it holds text"}}, "look_at_data", "broken data"),
    "broken, yet of no use": (
        {"quality": checked(missing=90, score=0.1), "importance": {"age": 0.0}},
        "nothing",
        "nothing wrong",
    ),
    "broken and of use": (
        {"quality": checked(missing=90, score=0.1), "importance": {"age": 0.3}},
        "look_at_data",
        "broken data",
    ),
    "broken data before a loss alarm": (
        {"quality": checked(change="retyped"), **LOSS},
        "look_at_data",
        "broken data",
    ),
    "rows come twice": ({"quality": checked(rows=Arrivals(rows=100, repeated=20))}, "look_at_data", "odd arrivals"),
    "a clock is wrong": ({"quality": checked(rows=Arrivals(rows=100, future=20))}, "look_at_data", "odd arrivals"),
    "loss alarm": (LOSS, "retrain", "decay"),
    "loss alarm soon after the promotion": (SOON, "roll_back", "decay since the promotion"),
    "and there was no version before": (SOON | {"former": None}, "retrain", "decay"),
    "and the version before did no better": (SOON | {"previous": fared(0.16)}, "retrain", "decay"),
    "and the version before did better": (
        SOON | {"previous": fared(0.11)},
        "roll_back",
        "decay since the promotion",
    ),
    "and the loop compared them and kept it": (
        SOON | {"decisions": (decided("keep", START),)},
        "retrain",
        "decay",
    ),
    "loss alarm, and a new model was no better": (
        LOSS | {"decisions": (decided("reject", START + 2 * DAY),)},
        "look_at_data",
        "decay that training does not mend",
    ),
    "loss alarm, and a model was rejected before": (
        LOSS | {"decisions": (decided("reject", START - 2 * DAY),)},
        "retrain",
        "decay",
    ),
    "worse than the baseline": ({"current": fared(0.3)}, "look_at_data", "worse than the baseline"),
    "not surely worse than it": ({"current": fared(0.205), "start": fared(0.2)}, "nothing", "nothing wrong"),
    "worse than it, of few rows": ({"current": fared(0.3, rows=50)}, "wait", "too few outcomes"),
    "worse than its start, unwatched": (
        {"current": fared(0.15), "monitors": ()},
        "retrain",
        "worse than its start",
    ),
    "worse than its start, watched": ({"current": fared(0.15)}, "nothing", "nothing wrong"),
    "drift that does not hurt": (DRIFT, "nothing", "drift that does not hurt"),
    "drift of predictions": (
        {"monitors": watched(prediction=(0.85, START + DAY))},
        "nothing",
        "drift that does not hurt",
    ),
    "drift so new that outcomes are due": (
        {"monitors": watched(features=(0.9, END - DAY // 2))},
        "wait",
        "new drift",
    ),
    "drift, and the estimate fell": (DRIFT | {"estimated": estimated(0.14, 0.18)}, "retrain", "drift that hurts"),
    "drift, and the estimate may have": (
        DRIFT | {"estimated": estimated(0.09, 0.18)},
        "nothing",
        "drift that does not hurt",
    ),
    "drift without outcomes": (DRIFT | FEW, "wait", "drift without outcomes"),
    "few outcomes": (FEW, "wait", "too few outcomes"),
    "no outcomes": ({"current": None}, "wait", "too few outcomes"),
    "far fewer outcomes than usual": (
        {"feedback": Feedback(predictions=10_000, answered=4_000, usual=0.9)},
        "wait",
        "too few outcomes",
    ),
    "half are answered, as always": (
        {"feedback": Feedback(predictions=10_000, answered=5_000, usual=0.5)},
        "nothing",
        "nothing wrong",
    ),
    "half are answered, and nobody knows what is usual": (
        {"feedback": Feedback(predictions=10_000, answered=4_000)},
        "nothing",
        "nothing wrong",
    ),
}


@pytest.mark.parametrize(("changes", "action", "rule"), CASES.values(), ids=CASES)
def test_each_rule(sound: Facts, changes: dict[str, Any], action: str, rule: str) -> None:
    found = recommend(sound(**({"current": fared(0.1), "start": fared(0.1)} | changes)))

    assert (found.action, found.rule) == (action, rule)
    assert found.reason.endswith(".")


def test_every_rule_decides_some_case(sound: Facts) -> None:
    given = [sound(**({"current": fared(0.1), "start": fared(0.1)} | changes)) for changes, _, _ in CASES.values()]

    assert {next(rule for rule in RULES if rule(facts)) for facts in given} == set(RULES)


def test_of_accuracy_a_lower_estimate_is_a_fall(sound: Facts) -> None:
    figure = {"accuracy": Figure(5_000, 0.9, 0.89, 0.91)}
    span = msgspec.structs.replace(fared(0.1), metrics=figure, baseline={})
    fell = Estimate(metric="accuracy", value=0.7, low=0.68, high=0.72, rows=900)
    rose = msgspec.structs.replace(fell, value=0.97, low=0.96, high=0.98)
    facts = sound(metric="accuracy", current=span, start=span, **DRIFT)

    assert recommend(msgspec.structs.replace(facts, estimated=(fell,))).action == "retrain"
    assert recommend(msgspec.structs.replace(facts, estimated=(rose,))).action == "nothing"


def test_the_reason_names_the_most_important_broken_columns_first(sound: Facts) -> None:
    broken = dict.fromkeys("abcde", "it holds text")

    found = recommend(sound(problems=broken, importance={"d": 0.5, "b": 0.2, "a": 0.1}))

    assert "d, b, a and 2 more" in found.reason
    assert found.evidence[0] == "d: it holds text"
    assert len(found.evidence) == 5


def test_the_evidence_has_figures_with_intervals(sound: Facts) -> None:
    found = recommend(sound(current=fared(0.15), **LOSS))

    assert "Brier score in the period: 0.1500 (0.1400 to 0.1600)" in found.evidence
    assert found.evidence[0].startswith("loss alarm: score 0.90, growing since 2024-10-05")


def test_what_is_not_known_is_not_called_sound(sound: Facts) -> None:
    found = recommend(sound(quality=None, monitors=()))

    assert "data quality is not known" in found.reason
    assert "No monitor runs yet" in found.reason
