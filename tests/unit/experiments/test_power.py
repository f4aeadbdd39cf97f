from __future__ import annotations

from math import inf

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.experiments.comparison import compare
from tropism.experiments.power import outcomes_needed, power


def test_the_planned_number_of_outcomes_has_the_power_that_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    n = int(outcomes_needed(0.3, 1.0, power_wanted=0.8))
    won = 0
    for _ in range(300):
        difference = rng.normal(0.3, 1.0, n)
        won += compare(difference + 5, np.full(n, 5.0), plan=n).verdict == "better"
    # The comparison also allows for dependence that is not there, which costs a little.
    assert 0.68 <= won / 300 <= 0.86


def test_smaller_effects_dependence_and_margins_need_more() -> None:
    base = outcomes_needed(0.3, 1.0)
    assert outcomes_needed(0.15, 1.0) > 3.5 * base
    assert outcomes_needed(0.3, 1.0, inflation=3.0) == pytest.approx(3 * base, rel=0.02)
    assert outcomes_needed(0.3, 1.0, margin=0.1) > base
    assert outcomes_needed(0.3, 1.0, power_wanted=0.95) > base
    assert outcomes_needed(0.3, 1.0, alpha=0.01) > base


def test_out_of_reach() -> None:
    assert outcomes_needed(0.0, 1.0) == inf
    assert outcomes_needed(0.1, 1.0, margin=0.1) == inf
    assert power(1_000, 0.0, 1.0) < 0.01


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(InvalidInput):
        power(100, 0.1, 0.0)
    with pytest.raises(InvalidInput):
        outcomes_needed(0.1, 1.0, power_wanted=1.0)
