from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tropism.core.bandit import BanditSettings
from tropism.experiments.bandits import Logged, cross_fit, dr, gain
from tropism.experiments.bandits.contexts import contexts_of
from tropism.experiments.bandits.opening import from_state
from tropism.experiments.bandits.ratio import shares_ratio
from tropism.experiments.bandits.revisions import learned
from tropism.experiments.bandits.sharing import floored

RATES = np.array([[0.7, 0.3], [0.3, 0.7]])
"""Of each of two contexts, how often each of two models is right."""


def lived(policy: Any, seed: int, days: int = 12, late: int = 3, units: int = 150) -> dict[str, Any]:
    """Days of requests in two contexts, of which each model is the best in one; what is known is three days old."""
    rng, settings = np.random.default_rng(seed), BanditSettings(policy=policy)
    log: list[np.ndarray[Any, Any]] = []
    for day in range(days):
        context = rng.integers(2, size=units)
        shares = np.full((2, 2), 0.5)
        known = [rows for rows in log if rows[0, 0] <= day - late]
        if known:
            _, c, arm, reward, _ = np.concatenate(known, axis=1)
            table = {"kind": np.where(c > 0, "b", "a").tolist()}
            made = contexts_of({"kind": "category"}, table)
            centred = reward - reward.mean()
            choosing, _ = learned(settings, made, made.of_many(table, len(c)), arm.astype(int).tolist(), centred, 2)
            judge = from_state(choosing.state)
            shares = np.array([floored(judge.propensities(made.of({"kind": one})), 0.05) for one in "ab"])
        arm = (rng.random(units) > shares[context, 0]).astype(int)
        reward = (rng.random(units) < RATES[context, arm]).astype(float)
        log.append(np.stack([np.full(units, day), context, arm, reward, shares[context, arm]]))
    day, context, arm, reward, propensity = np.concatenate(log, axis=1)
    return {"context": context, "arm": arm.astype(int), "reward": reward, "propensity": propensity, "last": shares}


@pytest.mark.parametrize("policy", ["linucb", "linear-thompson", "best-per-context"])
def test_choosing_by_context_earns_more_than_either_model_alone(policy: Any) -> None:
    """Either alone earns 0.5 on average; the best there is, 0.68 with the floors, and half in the first three days."""
    runs = [lived(policy, seed) for seed in range(10)]
    earned = [float(run["reward"].mean()) for run in runs]
    assert min(earned) > 0.55 and np.mean(earned) > 0.6
    assert all(run["last"][0, 0] > 0.9 and run["last"][1, 1] > 0.9 for run in runs)


def test_intervals_of_estimates_from_such_a_log_cover_the_truth() -> None:
    """95% wanted; at least 90% of 200 runs, three standard errors less."""
    covered = {"dr": 0, "gain": 0}
    for seed in range(200):
        run = lived("linear-thompson", seed, days=6, units=100)
        logged = Logged(run["arm"], run["reward"], run["propensity"])
        contexts = np.stack([run["context"], np.ones(len(run["arm"]))], axis=1)
        predicted = cross_fit(logged, contexts, 2)
        target = np.tile([1.0, 0.0], (len(contexts), 1))
        truth = RATES[run["context"].astype(int), 0].mean()
        found = dr(logged, target, predicted)
        covered["dr"] += found.low <= truth <= found.high
        own = np.array(run["context"], dtype=int)
        shares = np.where(run["arm"] == 0, run["propensity"], 1 - run["propensity"])
        policy = (shares * RATES[own, 0] + (1 - shares) * RATES[own, 1]).mean()
        more = gain(logged, target, predicted)
        covered["gain"] += more.low <= policy - truth <= more.high
    assert min(covered.values()) >= 180, covered


def test_contexts_of_one_row_and_of_many_are_the_same() -> None:
    rng = np.random.default_rng(0)
    table: dict[str, Any] = {
        "n": [None if one < 0.1 else float(one) for one in rng.random(60)],
        "flag": [bool(one) for one in rng.integers(2, size=60)],
        "kind": [None if one == 3 else f"k{one}" for one in rng.integers(4, size=60)],
    }
    made = contexts_of({"n": "number", "flag": "boolean", "kind": "category"}, table)
    many = made.of_many(table, 60)
    each = np.stack([made.of({name: table[name][row] for name in table}) for row in range(60)])
    assert np.allclose(many, each) and made.width == many.shape[1] == 6


def test_a_context_never_holds_what_is_not_finite() -> None:
    made = contexts_of({"n": "number"}, {"n": [0.0, 1.0]})
    for value in (float("nan"), float("inf"), "text", None, 1e300):
        assert np.isfinite(made.of({"n": value})).all()


def test_a_right_split_is_called_wrong_in_no_more_than_a_hundredth_while_shares_move() -> None:
    rng, wrong = np.random.default_rng(4), 0
    for _ in range(400):
        shares = rng.uniform(0.05, 0.95, size=10)
        table = np.stack([1 - shares, shares], axis=1)
        counts = np.array([rng.multinomial(500, own) for own in table])
        wrong += any(shares_ratio(counts[:look], table[:look]).mismatch for look in range(1, 11))
    assert wrong <= 8, wrong
