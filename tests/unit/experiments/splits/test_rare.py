from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from tropism.experiments.splits.rare import log_evidence, rate_bounds, ratio_bounds


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.6])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("n", [(10, 10), (30, 4)])
def test_the_wealth_is_worth_no_more_than_it_began_with_at_any_rate(
    rate: float, ratio: float, n: tuple[int, int]
) -> None:
    """Every outcome of two small groups, weighted by its chance: exact, no simulation."""
    expected = 0.0
    for events in product(range(n[0] + 1), range(n[1] + 1)):
        chance = binom.pmf(events[0], n[0], rate) * binom.pmf(events[1], n[1], rate * ratio)
        wealth = log_evidence(np.array(n)[:, None], np.array(events)[:, None], ratio)
        expected += chance * float(np.exp(wealth[-1]))
    assert expected <= 1 + 1e-9


def test_no_more_than_its_share_of_even_rates_is_ever_called_uneven() -> None:
    rng = np.random.default_rng(0)
    n = np.stack([np.full((2_000, 200), 950), np.full((2_000, 200), 50)], axis=1)
    # The rate doubles on the way; both variants feel it.
    rate = np.linspace(0.002, 0.004, 200)
    wealth = log_evidence(n, rng.binomial(n, rate))
    assert (wealth >= np.log(1 / 0.05)).any(axis=1).mean() <= 0.05


def test_bounds_of_a_ratio_close_in_on_it() -> None:
    widths = []
    for days in (2, 20, 200):
        n = np.array([[900] * days, [100] * days])
        lower, upper = ratio_bounds(n, np.array([[9] * days, [3] * days]), (0.05, 0.05))
        assert lower < 3.0 < upper
        widths.append(upper / lower)
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] < 1.5


def test_without_events_or_units_nothing_is_known() -> None:
    assert ratio_bounds([[100], [100]], [[0], [0]], (0.05, 0.05)) == (0.0, np.inf)
    assert ratio_bounds([[100, 0], [0, 100]], [[5, 0], [0, 50]], (0.05, 0.05)) == (0.0, np.inf)
    lower, upper = ratio_bounds([[1_000], [1_000]], [[0], [30]], (0.05, 0.05))
    assert lower > 2
    assert upper == np.inf


def test_a_rate_is_bounded_at_all_looks_together() -> None:
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(200):
        events = rng.binomial(250, 0.02, 12).cumsum()
        bounds = [rate_bounds(250 * (day + 1), int(k), 0.05) for day, k in enumerate(events)]
        missed += any(not lower <= 0.02 <= upper for lower, upper in bounds)
    assert missed / 200 <= 0.05
    assert rate_bounds(100, 0, 0.05)[0] == 0.0
    assert rate_bounds(100, 100, 0.05)[1] == 1.0


def test_bounds_of_a_ratio_are_where_the_evidence_reaches_the_target() -> None:
    rng = np.random.default_rng(2)
    for days in (1, 7, 60):
        n = np.array([[900] * days, [100] * days])
        events = np.array([rng.binomial(900, 0.02, days), rng.binomial(100, 0.05, days) + 1])
        lower, upper = ratio_bounds(n, events, (0.05, 0.01))
        assert log_evidence(n, events, lower)[-1] == pytest.approx(np.log(1 / 0.05), abs=1e-9)
        assert log_evidence(n[::-1], events[::-1], 1 / upper)[-1] == pytest.approx(np.log(1 / 0.01), abs=1e-9)
