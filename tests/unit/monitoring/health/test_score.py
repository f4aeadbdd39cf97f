from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tropism.monitoring.figures import Figure
from tropism.monitoring.health.facts import Feedback, Raised
from tropism.monitoring.health.score import DEFINITIONS, PART_NAMES, WEIGHTS, score
from tropism.monitoring.service import ModelService
from tropism.monitoring.tracking import Performance

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.monitoring.health.facts import HealthFacts

    Facts = Callable[..., HealthFacts]


def of(figure: Figure | None, baseline: Figure | None = None) -> Performance:
    return Performance(
        start=0,
        end=1,
        version=None,
        rows=1_000,
        metrics={} if figure is None else {"brier": figure, "accuracy": figure},
        baseline={} if baseline is None else {"brier": baseline, "accuracy": baseline},
    )


def near(value: float, reach: float = 0.01) -> Figure:
    return Figure(1_000, value, value - reach, value + reach)


def served(error_rate: float | None, latency: float | None) -> ModelService:
    return ModelService(
        predictions=9,
        requests=9,
        errors=0,
        refused=0,
        degraded=0,
        outcomes=0,
        throughput=1.0,
        error_rate=error_rate,
        latency_mean=None,
        latency_p50=None,
        latency_p95=latency,
        latency_p99=None,
    )


def raised(severity: Any, resolved_at: int | None = None) -> Raised:
    return Raised(id="a", rule="r", severity=severity, fired_at=1, resolved_at=resolved_at, message="m")


def share(facts: HealthFacts, name: str) -> float | None:
    return next(part.share for part in score(facts).parts if part.name == name)


def test_a_sound_model_scores_nearly_100(sound: Facts) -> None:
    found = score(sound(service=served(0.0, 0.01)))

    assert found.value is not None
    assert found.value == pytest.approx(100, abs=1)
    assert found.known == 1


def test_weights_are_of_100_and_every_part_is_defined() -> None:
    assert sum(WEIGHTS.values()) == 100
    assert WEIGHTS.keys() == DEFINITIONS.keys() == PART_NAMES.keys()


def test_what_is_not_known_takes_no_weight_and_is_not_zero(sound: Facts) -> None:
    whole = score(sound(service=served(0.0, 0.01)))
    found = score(sound(quality=None, feedback=None, service=None, alerts=None, absent={"quality": "no rows"}))

    assert found.known == pytest.approx(0.60)
    assert found.value == pytest.approx(whole.value or 0, abs=1)
    assert {part.name: part.share for part in found.parts}["quality"] is None
    assert "no rows" in {part.name: part.evidence for part in found.parts}["quality"]


def test_nothing_known_is_no_score(sound: Facts) -> None:
    nothing = {"current": None, "start": None, "monitors": (), "quality": None, "feedback": None}

    found = score(sound(**nothing, alerts=None))

    assert (found.value, found.known) == (None, 0)


@pytest.mark.parametrize(
    ("model", "baseline", "expected"),
    [
        (near(0.10), near(0.20), 1.0),
        (near(0.20), near(0.10), 0.0),
        (near(0.10), near(0.10), 0.5),
        (near(0.10), near(0.107), 0.747),  # 0.007 better, give or take 0.0141
        (Figure(9, 0.1, 0.1, 0.1), Figure(9, 0.1, 0.1, 0.1), 0.5),
        (Figure(1, 0.1), near(0.2), None),
        (near(0.1), None, None),
        (None, near(0.1), None),
    ],
)
def test_performance_beside_the_baseline(
    sound: Facts, model: Figure | None, baseline: Figure | None, expected: float | None
) -> None:
    found = share(sound(current=of(model, baseline)), "baseline")

    assert found == (None if expected is None else pytest.approx(expected, abs=0.001))


def test_of_accuracy_higher_is_better(sound: Facts) -> None:
    good = sound(metric="accuracy", current=of(near(0.9), near(0.8)), start=of(near(0.9)))

    assert share(good, "baseline") == 1
    assert share(msgspec.structs.replace(good, start=of(near(0.99))), "start") == 0
    assert share(msgspec.structs.replace(good, start=of(near(0.7))), "start") == 1


@pytest.mark.parametrize(
    ("now", "at_start", "expected"),
    [
        (near(0.12), near(0.2), 1.0),
        (near(0.2), near(0.2), 1.0),
        (near(0.205), near(0.2), 1.0),  # within what chance does
        (near(0.2, 0), near(0.19, 0), 1 - 4 * 0.01 / 0.19),
        (near(0.3), near(0.2), 0.0),
        (near(0.1), Figure(9, 0.0, 0.0, 0.0), 0.0),
    ],
)
def test_performance_beside_the_models_own_start(sound: Facts, now: Figure, at_start: Figure, expected: float) -> None:
    facts = sound(current=of(now), start=of(at_start), monitors=())

    assert share(facts, "start") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("level", "expected"), [(0.0, 1.0), (0.5, 1.0), (0.65, 0.5), (0.8, 0.0), (1.0, 0.0)])
def test_monitors_count_from_where_alarms_end_to_where_they_begin(sound: Facts, level: float, expected: float) -> None:
    watched = tuple(msgspec.structs.replace(one, score=level) for one in sound().monitors)

    assert share(sound(monitors=watched), "drift") == pytest.approx(expected)
    assert share(sound(monitors=watched), "start") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (Feedback(predictions=100, answered=60), 0.6),
        (Feedback(predictions=100, answered=60, usual=0.8), 0.75),
        (Feedback(predictions=100, answered=90, usual=0.8), 1.0),
        (Feedback(predictions=100, answered=0, usual=0.0), 1.0),
        (Feedback(predictions=0, answered=0), None),
    ],
)
def test_feedback_is_compared_with_what_is_usual(sound: Facts, told: Feedback, expected: float | None) -> None:
    assert share(sound(feedback=told), "feedback") == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("errors", "latency", "expected"),
    [(0.0, 0.1, 1.0), (0.0, 1.0, 0.5), (0.025, 0.1, 0.5), (0.5, 0.1, 0.0), (0.0, None, 1.0), (None, None, None)],
)
def test_service(sound: Facts, errors: float | None, latency: float | None, expected: float | None) -> None:
    assert share(sound(service=served(errors, latency)), "service") == expected


def test_only_open_alerts_count_by_severity(sound: Facts) -> None:
    assert share(sound(alerts=(raised("high", resolved_at=5),)), "alerts") == 1
    assert share(sound(alerts=(raised("medium"), raised("low"))), "alerts") == pytest.approx(0.65)
    assert share(sound(alerts=(raised("high"),) * 3), "alerts") == 0
