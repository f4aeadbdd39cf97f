from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.loop.watching.place import MINUTE, START, Place, task_of, times

from tropism.core.identity import derived_id
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.loop.watching.estimators import Estimators
from tropism.loop.watching.facts import FactSources, facts_of
from tropism.monitoring.costs import CostSettings
from tropism.monitoring.estimation import calibrated
from tropism.monitoring.watch.store import MonitorStore
from tropism.registry import NewVersion

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.learners.model import Model

    Make = Callable[..., Place]

HOUR = 60 * MINUTE


def labels_of(place: Place, rows: dict[str, Any]) -> Any:
    """What is true of rows: it follows `a`, with noise."""
    noise = place.rng.normal(size=len(rows["a"]))
    found = rows["a"] + 0.7 * noise
    return found if place.task.kind == "regression" else (found > 0).astype(np.float64)


def trained(place: Place) -> Model:
    """A model that learnt from 2,000 rows becomes the champion."""
    rows = place.rows(2_000)
    data = Dataset(pa.table({**rows, "c": pa.array(rows["c"])}), labels_of(place, rows), np.arange(2_000))
    model = fit_model(place.task, "linear", data)
    registry, artifact = place.platform.registry, store(model, place.platform.blobs)
    new = NewVersion(model="price", artifact=artifact, learner="linear", window="all")
    version = registry.versions.register(new, now=START - 1)
    registry.promotion.promote(
        "price",
        version,
        expected=None,
        actor="test",
        decision_id=derived_id(START, "promote"),
        policy=place.task.policy,
        now=START,
    )
    return model


def served(place: Place, model: Model, start: int, count: int, *, shift: float = 0.0, told: bool = True) -> float:
    """An hour of the champion's predictions, and their outcomes; the metric that they truly come to."""
    rows = place.rows(count, shift)
    made, labels = times(start, start + HOUR, count), labels_of(place, rows)
    scores = model.predict(pa.table({**rows, "c": pa.array(rows["c"])}), made)
    ids = place.served(made, rows, scores=scores)
    if told:
        place.told(ids, labels, made + MINUTE)
    errors = np.abs(scores[:, 0] - labels)
    return float(np.mean(errors if place.task.kind == "regression" else errors**2))


def of(place: Place) -> Estimators:
    platform = place.platform
    return Estimators(platform.registry, platform.cohorts, platform.blobs, MonitorStore(platform.database))


def facts(place: Place, estimators: Estimators, now: int) -> dict[str, float | None]:
    sources = FactSources(place.platform.lake, place.platform.cohorts, CostSettings(), estimators)
    return facts_of(sources, place.task, place.look(now), now)


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_performance_is_estimated_before_outcomes_come(place: Make, kind: str) -> None:
    one = place(task_of(kind=kind, segments=("c",)))
    model = trained(one)
    served(one, model, START, 1_500)
    truth = served(one, model, START + 2 * HOUR, 1_500, shift=0.5, told=False)
    found = facts(one, of(one), START + 3 * HOUR)
    assert found["estimated_performance"] == pytest.approx(truth, rel=0.15)
    assert found["estimated_performance:c = x"] == pytest.approx(truth, rel=0.25)


def test_without_a_champion_or_outcomes_it_is_unknown(place: Make) -> None:
    one = place()
    estimators = of(one)
    assert facts(one, estimators, START)["estimated_performance"] is None
    model = trained(one)
    served(one, model, START, 500, told=False)
    assert facts(one, estimators, START + HOUR)["estimated_performance"] is None


def test_an_estimator_is_made_once_and_kept(place: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = place()
    model = trained(one)
    served(one, model, START, 1_500)
    made: list[int] = []
    fit = calibrated

    def counted(*given: Any) -> Any:
        made.append(len(given[2]))
        return fit(*given)

    monkeypatch.setattr("tropism.loop.watching.estimators.calibrated", counted)
    estimators = of(one)
    before = facts(one, estimators, START + HOUR)["estimated_performance"]
    for minute in range(1, 9):
        facts(one, estimators, START + HOUR + minute * MINUTE)
    assert made == [1_024]
    assert facts(one, of(one), START + HOUR)["estimated_performance"] == before
    assert made == [1_024]  # a restart takes what is kept
    served(one, model, START + HOUR, 3_000)
    facts(one, estimators, START + 3 * HOUR)
    assert made == [1_024, 4_096]


def test_a_model_that_cannot_be_loaded_leaves_it_unknown(place: Make) -> None:
    one = place()
    one.promote(START)
    rows = one.rows(600)
    made = times(START, START + HOUR, 600)
    one.told(one.served(made, rows, scores=np.full(600, 0.6)), labels_of(one, rows), made + MINUTE)
    found = facts(one, of(one), START + 2 * HOUR)
    assert found["estimated_performance"] is None
    assert found["accuracy"] is not None
