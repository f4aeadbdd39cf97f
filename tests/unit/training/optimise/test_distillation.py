from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tropism.core.task import Kind
from tropism.evaluation.losses import losses
from tropism.learners.calibration import Identity, Platt
from tropism.learners.model import Model
from tropism.learners.trees import TreeEnsemble
from tropism.training.optimise.base import DoesNotFit, Sample
from tropism.training.optimise.distillation import Distillation
from tropism.training.optimise.findings import size_of

Rows = Callable[..., Sample]


@pytest.mark.parametrize(("kind", "metric"), [("binary", "brier"), ("multiclass", "log_loss"), ("regression", "mae")])
def test_a_student_is_far_smaller_and_follows_its_teacher(
    trees_of: Callable[..., Model], rows_of: Rows, kind: Kind, metric: str
) -> None:
    teacher = trees_of(kind, "lightgbm", 300, 31)
    student = Distillation(metric=metric).apply(teacher, rows_of(kind, 8_000, 1))
    assert isinstance(student.estimator, TreeEnsemble)
    assert student.estimator.trees <= 75 * teacher.shape.outputs
    assert size_of(student) < 0.3 * size_of(teacher)
    assert student.origin.learner == "lightgbm+distilled"
    held = rows_of(kind, 4_000, 2)
    told, said = teacher.predict(held.features), student.predict(held.features)
    assert np.corrcoef(told[:, 0], said[:, 0])[0, 1] > 0.95
    constant = np.tile(told.mean(axis=0), (len(told), 1))
    loss = {name: losses(metric, held.labels, one).mean() for name, one in [("s", said), ("t", told), ("c", constant)]}
    assert loss["s"] - loss["t"] < 0.15 * (loss["c"] - loss["t"])


def test_a_network_can_teach_too(network_of: Callable[..., Model], rows_of: Rows) -> None:
    teacher = network_of("binary")
    student = Distillation(metric="brier").apply(teacher, rows_of("binary", 4_000, 1))
    held = rows_of("binary", 2_000, 2)
    told, said = teacher.predict(held.features)[:, 0], student.predict(held.features)[:, 0]
    assert np.corrcoef(told, said)[0, 1] > 0.9


def test_probabilities_are_learnt_as_they_are_told(trees_of: Callable[..., Model], rows_of: Rows) -> None:
    """The teacher's calibration is learnt with them, and not applied again."""
    teacher = trees_of("binary").with_calibration(Platt(0.3, 1.0))
    student = Distillation(metric="brier").apply(teacher, rows_of("binary", 4_000, 1))
    assert student.calibration == Identity()
    held = rows_of("binary", 2_000, 2)
    assert abs(teacher.predict(held.features).mean() - student.predict(held.features).mean()) < 0.01


def test_a_category_means_to_the_student_what_it_means_to_the_teacher(
    trees_of: Callable[..., Model], rows_of: Rows
) -> None:
    teacher = trees_of("binary")
    student = Distillation(metric="brier").apply(teacher, rows_of("binary", 400, 1, 5))
    assert [one.categories for one in student.encoding.facts.columns] == [
        one.categories for one in teacher.encoding.facts.columns
    ]


def test_a_linear_model_has_no_smaller_student(linear_of: Callable[..., Model], rows_of: Rows) -> None:
    with pytest.raises(DoesNotFit, match="nothing smaller"):
        Distillation(metric="brier").apply(linear_of("binary"), rows_of("binary"))


def test_a_student_needs_rows(trees_of: Callable[..., Model], rows_of: Rows) -> None:
    with pytest.raises(DoesNotFit, match="150 rows are too few"):
        Distillation(metric="brier").apply(trees_of("binary"), rows_of("binary").slice(0, 150))
