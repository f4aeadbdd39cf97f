"""A bad version on live traffic: the requests that it answers before it is taken off, by rule.

A canary of 4,000 requests a day grows to 1, 5, 25 and 50%, a step a day, or where outcomes are late as they mature.
Each day is looked at when it has matured, and traffic goes on meanwhile. `fixed_horizon_z`: one test, when two weeks
at the last step have matured.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from deciding.split import PER_DAY, Runs, first_looks, gbstats, tropism, z_at_each_look, z_once

RAMP, HORIZON = (0.01, 0.05, 0.25, 0.5), 14
"""The canary's shares, and the days at the last one before a test of a fixed horizon is made."""
SEED = 11
BAD = [(p, lift, delay) for p, lift in ((0.05, -0.2), (0.05, -0.5), (0.002, -0.9)) for delay in (0, 7, 20)]
RULES = {"tropism": tropism, "z_at_each_look": z_at_each_look, "gbstats": gbstats}


def draw_canary(rng: np.random.Generator, runs: int, days: int, p: float, lift: float, delay: int) -> Runs:
    """Units of a ramp of which each step waits until what was predicted at the last one has matured."""
    share = np.array(RAMP)[np.minimum(np.arange(days) // (1 + delay), len(RAMP) - 1)]
    treated = rng.binomial(PER_DAY, share, (runs, days))
    n = np.stack([PER_DAY - treated, treated], axis=1)
    return Runs(n.astype(float), rng.binomial(n, np.array([p, p * (1 + lift)])[:, None]).astype(float))


def harm_rows(p: float, lift: float, delay: int, count: int) -> list[dict[str, Any]]:
    rng, end = np.random.default_rng(SEED), len(RAMP) * (1 + delay) + HORIZON
    runs = draw_canary(rng, count, end + delay, p, lift, delay)
    answered = runs.n[:, 1].cumsum(-1)
    seen = Runs(runs.n[..., :end], runs.ones[..., :end])
    rows = []
    for name, rule in (*RULES.items(), ("fixed_horizon_z", z_once(end))):
        first = first_looks(rule(seen, "decrease"))
        stopped = np.where(first > 0, first, end) + delay
        harmed = answered[np.arange(count), stopped - 1]
        rows.append(
            {"p": p, "lift": lift, "delay_days": delay, "rule": name, "stopped": float((first > 0).mean()),
             "median_days": float(np.median(stopped)), "harmed_requests": float(np.median(harmed)),
             "of_requests": float(np.median(stopped)) * PER_DAY, "runs": count}
        )  # fmt: skip
    return rows


def told(rows: list[dict[str, Any]]) -> str:
    row = rows[0]
    found = (
        f"{one['rule']} {one['harmed_requests']:.0f} ({one['stopped']:.0%} by day {one['median_days']:.0f})"
        for one in rows
    )
    return f"canary p={row['p']:<6} lift {row['lift']:.0%}, {row['delay_days']} days late: " + ", ".join(found)
