from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tropism.core.errors import SettingInvalid
from tropism.core.task import Task
from tropism.learners.base import Dataset
from tropism.learners.ensemble import Ensemble
from tropism.learners.ensemble_combining import Average, Stack
from tropism.learners.ensemble_folds import HeldOut
from tropism.learners.ensemble_losses import row_losses
from tropism.learners.fitting import fit_model
from tropism.learners.links import logit
from tropism.learners.model import Model
from tropism.learners.stacking import Stacking, fit_stack

if TYPE_CHECKING:
    from tropism.core.task import Kind


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_it_beats_members_that_share_a_fault(
    kind: Kind, make_task: Callable[..., Task], make_data: Callable[..., Dataset], fit_learner: Callable[..., Model]
) -> None:
    """Few slow trees stop half-way to their answer: no average can scale them up, a linear model of them can."""
    slow = {"num_trees": 15, "learning_rate": 0.05}
    fast = {"num_trees": 10, "learning_rate": 0.08, "num_leaves": 3}
    task, data, fresh = make_task(kind), make_data(kind, rows=1_500), make_data(kind, rows=4_000, seed=78)

    def loss(model: Model) -> float:
        return float(row_losses(task, fresh.labels, model.predict(fresh.features)).mean())

    best = min(loss(fit_model(task, "lightgbm", data, parameters=parameters)) for parameters in (slow, fast))
    members = ", ".join(f"lightgbm({' '.join(f'{k}={v}' for k, v in one.items())})" for one in (slow, fast))
    assert loss(fit_learner(Stacking(members=members), task, data)) < 0.95 * best


def test_it_finds_the_scale_and_bias_of_what_it_reads(make_task: Callable[..., Task]) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=20_000) * 2
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(1.5 * z - 0.7)))).astype(np.float64)
    said = (1 / (1 + np.exp(-z)))[:, None]
    held = HeldOut(np.zeros((20_000, 1)), labels, np.ones(20_000), (said, np.full_like(said, 0.5)))
    stack = fit_stack(make_task("binary"), held, 1e-3)
    assert stack.weights[0] == pytest.approx((1.5, 0.0), abs=0.05)
    assert stack.intercept[0] == pytest.approx(-0.7, abs=0.05)
    np.testing.assert_allclose(logit(said)[:, 0], z)


@pytest.mark.parametrize("scale", [1e-9, 1e90])
def test_the_unit_of_the_target_does_not_matter(scale: float, make_task: Callable[..., Task]) -> None:
    rng = np.random.default_rng(0)
    labels = rng.normal(size=300)
    scores = tuple((labels + noise * rng.normal(size=300))[:, None] for noise in (0.5, 1.0))

    def weights(size: float) -> tuple[float, ...]:
        held = HeldOut(np.zeros((300, 1)), labels * size, np.ones(300), tuple(one * size for one in scores))
        return fit_stack(make_task("regression"), held, 1.0).weights[0]

    assert weights(scale) == pytest.approx(weights(1.0))


def test_a_penalty_holds_the_weights_down(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset], fit_learner: Callable[..., Model]
) -> None:
    task, data = make_task("regression"), make_data("regression")
    sizes = []
    for l2 in (1e-6, 1e6):
        model = fit_learner(Stacking(members="linear, mean", l2=l2), task, data)
        assert isinstance(model.estimator, Ensemble)
        assert isinstance(model.estimator.combination, Stack)
        sizes.append(abs(model.estimator.combination.weights[0][0]))
    assert sizes[0] > 0.9
    assert sizes[1] < 0.01


def test_members_count_alike_where_the_rows_held_out_are_of_one_class(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset], fit_learner: Callable[..., Model]
) -> None:
    data = make_data("binary")
    data = data._replace(labels=np.where(np.arange(600) < 300, data.labels, 0.0))
    model = fit_learner(Stacking(members="linear, majority", folds=1), make_task("binary"), data)
    assert isinstance(model.estimator, Ensemble)
    assert model.estimator.combination == Average((0.5, 0.5))


@pytest.mark.parametrize("parameters", [{"folds": 0}, {"l2": 0.0}, {"l2": "much"}])
def test_a_parameter_out_of_range_is_named(parameters: dict[str, object]) -> None:
    with pytest.raises(SettingInvalid) as caught:
        Stacking(**parameters)  # type: ignore[arg-type]
    assert caught.value.faults[0].field == next(iter(parameters))
