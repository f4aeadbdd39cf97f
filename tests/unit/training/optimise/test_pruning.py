from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tropism.core.errors import SettingInvalid
from tropism.core.task import Kind
from tropism.learners.model import Model
from tropism.learners.trees import TreeEnsemble
from tropism.training.optimise.base import DoesNotFit, Sample
from tropism.training.optimise.findings import size_of
from tropism.training.optimise.pruning import Pruning
from tropism.training.optimise.quality import Judge

Rows = Callable[..., Sample]


def _trees(model: Model) -> int:
    assert isinstance(model.estimator, TreeEnsemble)
    return model.estimator.trees


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_trees_that_are_not_missed_are_left_out(trees_of: Callable[..., Model], rows_of: Rows, kind: Kind) -> None:
    """A model that learnt its rows by heart: on others its last trees do no good."""
    model = trees_of(kind, "lightgbm", 300, 31)
    judge = Judge(kind, "brier")
    made = Pruning(judge=judge).apply(model, rows_of(kind, 4_000, 1))
    assert _trees(made) < 0.9 * _trees(model)
    assert _trees(made) % model.shape.outputs == 0
    assert size_of(made) < 0.9 * size_of(model)
    held = rows_of(kind, 4_000, 2)
    assert judge.compare(held, model.predict(held.features), made.predict(held.features)).difference.value < 0.002
    assert made.origin.learner == "lightgbm+pruned"


def test_the_larger_the_tolerance_the_fewer_trees(trees_of: Callable[..., Model], rows_of: Rows) -> None:
    model, rows = trees_of("binary", "lightgbm", 300, 31), rows_of("binary", 4_000, 1)
    counts = [
        _trees(Pruning(judge=Judge("binary", "brier", tolerance)).apply(model, rows)) for tolerance in (0.002, 0.2)
    ]
    assert counts[0] > counts[1]


def test_trees_that_are_all_needed_stay(trees_of: Callable[..., Model], rows_of: Rows) -> None:
    with pytest.raises(DoesNotFit, match="each of its 60 rounds is needed"):
        Pruning(judge=Judge("regression", "mae")).apply(trees_of("regression"), rows_of("regression"))


def test_a_network_loses_units(network_of: Callable[..., Model], rows_of: Rows) -> None:
    model = network_of("binary")
    made = Pruning(judge=Judge("binary", "brier"), sparsity=0.3).apply(model, rows_of("binary"))
    assert 0.6 < size_of(made) / size_of(model) < 0.8
    held = rows_of("binary", 4_000, 1)
    worse = np.mean((made.predict(held.features)[:, 0] - held.labels) ** 2)
    assert worse < np.mean((model.predict(held.features)[:, 0] - held.labels) ** 2) + 0.005


def test_a_linear_model_has_nothing_to_lose(linear_of: Callable[..., Model], rows_of: Rows) -> None:
    with pytest.raises(DoesNotFit, match="neither trees of LightGBM nor hidden units"):
        Pruning(judge=Judge("binary", "brier")).apply(linear_of("binary"), rows_of("binary"))


@pytest.mark.parametrize("sparsity", [0.0, 1.0, float("nan")])
def test_a_share_that_makes_no_sense_is_refused(sparsity: float) -> None:
    with pytest.raises(SettingInvalid, match="not valid"):
        Pruning(judge=Judge("binary", "brier"), sparsity=sparsity)
