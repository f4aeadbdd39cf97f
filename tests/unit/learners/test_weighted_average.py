from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import SettingInvalid
from tropism.core.task import METRICS, Feature, Task
from tropism.learners.base import Dataset, Floats
from tropism.learners.ensemble import Ensemble
from tropism.learners.ensemble_combining import Average
from tropism.learners.ensemble_folds import HeldOut
from tropism.learners.ensemble_losses import row_losses
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model
from tropism.learners.weighted_average import WeightedAverage, best_weights

if TYPE_CHECKING:
    from tropism.core.task import Kind

CASES = [(kind, metric) for kind in METRICS for metric in METRICS[kind]]
TOLERANCE = 1.02
"""How much more than the best member a weighted average may lose on fresh rows: it must learn which one that is."""


def make(kind: Kind, metric: str) -> Task:
    classes = ("a", "b", "c") if kind == "multiclass" else ()
    return Task(name="t", kind=kind, target="y", features=(Feature("x"),), classes=classes, metric=metric)


def held_out(labels: Floats, *scores: Floats) -> HeldOut:
    return HeldOut(np.zeros((len(labels), 1)), labels, np.ones(len(labels)), scores)


def noisy(rng: np.random.Generator, truth: Floats, noise: float) -> Floats:
    return (truth + noise * rng.normal(size=len(truth)))[:, None]


@pytest.mark.parametrize("metric", ["mse", "mae"])
def test_members_with_errors_of_their_own_are_weighed_by_how_exact_they_are(metric: str) -> None:
    """The best weights of independent errors are in inverse proportion to their variances: here 4 to 1."""
    rng, truth = np.random.default_rng(1), np.linspace(-3, 3, 20_000)
    held = held_out(truth, noisy(rng, truth, 1.0), noisy(rng, truth, 2.0))
    np.testing.assert_allclose(best_weights(make("regression", metric), held), [0.8, 0.2], atol=0.02)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e90])
def test_weights_do_not_depend_on_the_unit_of_the_target(scale: float) -> None:
    rng, truth = np.random.default_rng(1), np.linspace(-3, 3, 500)
    held = held_out(truth * scale, noisy(rng, truth, 1.0) * scale, noisy(rng, truth, 1.5) * scale)
    plain = held_out(truth, *(scores / scale for scores in held.scores))
    for metric in ("mse", "mae"):
        task = make("regression", metric)
        np.testing.assert_allclose(best_weights(task, held), best_weights(task, plain), atol=1e-4)


@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_no_grid_of_weights_does_better(kind: Kind, metric: str) -> None:
    rng, task = np.random.default_rng(5), make(kind, metric)
    if kind == "regression":
        labels = rng.normal(size=400)
        scores = [noisy(rng, labels, noise) for noise in (0.5, 0.7, 1.0)]
    else:
        truth = rng.dirichlet([0.5] * 3, 400) if kind == "multiclass" else rng.random((400, 1))
        chances = truth if kind == "multiclass" else np.hstack([1 - truth, truth])
        labels = np.array([rng.choice(len(row), p=row) for row in chances], np.float64)
        scores = [(truth * 40 + rng.gamma(size, 5.0, truth.shape)) for size in (0.5, 1.0, 2.0)]
        scores = [one / one.sum(axis=1, keepdims=True) if kind == "multiclass" else one / one.max() for one in scores]
    held = held_out(labels, *scores)

    def loss(weights: Floats) -> float:
        return float(row_losses(task, labels, np.tensordot(weights, np.array(scores), 1)).sum())

    found = best_weights(task, held)
    assert found.sum() == pytest.approx(1.0)
    assert found.min() >= 0
    grid = [np.array([a, b, 20 - a - b]) / 20 for a in range(21) for b in range(21 - a)]
    assert loss(found) <= min(map(loss, grid)) * (1 + 1e-4)


@pytest.mark.parametrize("metric", ["brier", "log_loss"])
def test_row_weights_count(metric: str) -> None:
    """Two members that always say 0.1 and 0.9: the best mixture says the weighted share of ones."""
    labels = np.array([0.0] * 50 + [1.0] * 50)
    held = held_out(labels, np.full((100, 1), 0.1), np.full((100, 1), 0.9))
    weights = np.where(labels == 1, 3.0, 7.0)
    assert best_weights(make("binary", metric), held)[1] == pytest.approx(0.5, abs=1e-3)
    assert best_weights(make("binary", metric), held._replace(weights=weights))[1] == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_it_is_not_much_worse_than_its_best_member(
    kind: Kind, make_task: Callable[..., Task], make_data: Callable[..., Dataset], fit_learner: Callable[..., Model]
) -> None:
    task, data, fresh = make_task(kind), make_data(kind), make_data(kind, rows=4_000, seed=77)

    def loss(model: Model) -> float:
        return float(row_losses(task, fresh.labels, model.predict(fresh.features)).mean())

    best = min(loss(fit_model(task, name, data)) for name in ("lightgbm", "linear", "random-forest"))
    found = fit_learner(WeightedAverage(members="lightgbm, linear, random-forest"), task, data)
    assert loss(found) <= best * TOLERANCE


def test_a_member_that_adds_nothing_is_left_out(
    make_task: Callable[..., Task], fit_learner: Callable[..., Model]
) -> None:
    x = np.random.default_rng(0).normal(size=400)
    data = Dataset(pa.table({"x": x}), 2 * x + 1, np.arange(400, dtype=np.int64))
    model = fit_learner(WeightedAverage(members="linear(l2=1e-6), mean"), make_task("regression"), data)
    assert isinstance(model.estimator, Ensemble)
    assert [member.learner for member in model.estimator.members] == ["linear(l2=1e-06)"]
    assert model.estimator.combination == Average((1.0,))


@pytest.mark.parametrize("folds", [0, 21, 2.5])
def test_folds_out_of_range_are_refused(folds: object) -> None:
    with pytest.raises(SettingInvalid) as caught:
        WeightedAverage(folds=folds)  # type: ignore[arg-type]
    assert caught.value.faults[0].field == "folds"
