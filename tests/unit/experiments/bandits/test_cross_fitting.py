from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.experiments.bandits import Logged, cross_fit

CONTEXTS = np.column_stack([np.ones(40), np.arange(40) / 40])


def log(rewards: object) -> Logged:
    return Logged(np.arange(40) % 2, rewards, np.full(40, 0.5))  # type: ignore[arg-type]


def test_a_row_is_predicted_without_its_own_reward() -> None:
    rewards = CONTEXTS[:, 1].copy()
    before = cross_fit(log(rewards), CONTEXTS, 2, ridge=1e-6)
    rewards[0] = 100.0
    after = cross_fit(log(rewards), CONTEXTS, 2, ridge=1e-6)
    assert before[:8] == pytest.approx(after[:8])
    assert not np.allclose(before[8:], after[8:])
    assert before[:, 0] == pytest.approx(CONTEXTS[:, 1], abs=1e-4)


def test_predictions_are_cut_at_the_bounds_and_an_arm_never_logged_gets_0() -> None:
    found = cross_fit(log(np.arange(40.0)), CONTEXTS, 3, low=0.0, high=1.0)
    assert found.min() >= 0
    assert found.max() == 1
    assert (found[:, 2] == 0).all()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"contexts": CONTEXTS[:5]}, "contexts"),
        ({"contexts": np.where(CONTEXTS[3, 1] == CONTEXTS, np.nan, CONTEXTS)}, "contexts[3]"),
        ({"folds": 1}, "folds"),
        ({"folds": 41}, "folds"),
        ({"ridge": 0.0}, "ridge"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change: dict[str, Any], field: str) -> None:
    given: dict[str, Any] = {"contexts": CONTEXTS, **change}
    with pytest.raises(InvalidInput) as caught:
        cross_fit(log(np.zeros(40)), arms=2, **given)
    assert caught.value.faults[0].field == field
