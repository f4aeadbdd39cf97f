from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tropism.core.task import METRICS, Feature, Task
from tropism.evaluation.losses import losses
from tropism.learners.ensemble_losses import row_losses

if TYPE_CHECKING:
    from tropism.core.task import Kind

CASES = [(kind, metric) for kind in METRICS for metric in METRICS[kind] if metric != "accuracy"]


def make(kind: Kind, metric: str) -> Task:
    classes = ("a", "b", "c") if kind == "multiclass" else ()
    return Task(name="t", kind=kind, target="y", features=(Feature("x"),), classes=classes, metric=metric)


@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_losses_are_those_that_decisions_rest_on(kind: Kind, metric: str) -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet([0.3] * 3, 200) if kind == "multiclass" else rng.random((200, 1)).round(1)
    labels = rng.integers(0, 3 if kind == "multiclass" else 2, 200).astype(np.float64)
    np.testing.assert_allclose(row_losses(make(kind, metric), labels, scores), losses(metric, labels, scores))


def test_accuracy_is_judged_by_the_brier_score() -> None:
    labels, scores = np.array([1.0, 0.0]), np.array([[0.9], [0.2]])
    np.testing.assert_allclose(row_losses(make("binary", "accuracy"), labels, scores), [0.01, 0.04])
