from __future__ import annotations

from collections.abc import Callable

import pytest

from tropism.core.task import Kind
from tropism.learners.early_exit import EarlyExitTrees
from tropism.learners.model import Model
from tropism.training.optimise.base import DoesNotFit, Sample
from tropism.training.optimise.exiting import EarlyExit
from tropism.training.optimise.quality import Judge

Rows = Callable[..., Sample]


def _margin(model: Model) -> float:
    assert isinstance(model.estimator, EarlyExitTrees)
    return model.estimator.exit_rule.margin


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_rows_stop_as_early_as_the_tolerance_allows(trees_of: Callable[..., Model], rows_of: Rows, kind: Kind) -> None:
    model, rows, held = trees_of(kind, "lightgbm", 300, 31), rows_of(kind, 4_000, 1), rows_of(kind, 4_000, 2)
    strict, loose = (Judge(kind, "brier", tolerance) for tolerance in (0.002, 0.2))
    careful, bold = (EarlyExit(judge=judge).apply(model, rows) for judge in (strict, loose))
    assert _margin(bold) < _margin(careful)
    assert careful.origin.learner == "lightgbm+early-exit"
    found = strict.compare(held, model.predict(held.features), careful.predict(held.features))
    assert found.passes, found


@pytest.mark.parametrize(
    ("kind", "learner", "why"),
    [
        ("regression", "lightgbm", "only boosted classifiers"),
        ("binary", "random-forest", "only boosted classifiers"),
        ("binary", "xgboost", "no trees of LightGBM"),
    ],
)
def test_what_cannot_stop_early_is_refused(
    trees_of: Callable[..., Model], rows_of: Rows, kind: Kind, learner: str, why: str
) -> None:
    metric = "mae" if kind == "regression" else "brier"
    with pytest.raises(DoesNotFit, match=why):
        EarlyExit(judge=Judge(kind, metric)).apply(trees_of(kind, learner), rows_of(kind))
