"""How often split traffic promotes wrongly, and how soon rightly: ours, a z test at every look, gbstats' sequential.

    python bench/split_decisions.py [--repetitions 4000] [--out bench/results/split_decisions.json]

Each unit sees one of two variants and is a success or not, at a rate of `p` in the control. Every day 4,000 units are
exposed; their outcomes count 7 days later, all of a day at once. There is a look every day, 30 or 300 of them, and
the first that finds the treatment better ends the experiment. Rules, each with 5% for a treatment that is no better:

- `tropism`: the bounds of `tropism.experiments.splits`, by the functions that `analyse` calls, on many runs at once.
- `z`: the usual one-sided test at every look, as if it were the only one.
- `gbstats`: GrowthBook's sequential interval at alpha = 0.1, so 5% on each side; `gbstats_default`: at its 0.05, so
  2.5%. By our function, which `bench/decision_peers/gbstats_check.py` compares with the package.

`ramp`: the treatment's share grows from 5% to 50% within ten days while the rate of both doubles: the same rates on
every day, and yet a difference of the totals. `goal`: whether more successes are better, or fewer.
`harm`: a canary that grows day by day, or where outcomes are late as they mature, with a version that is worse.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

from tropism.experiments.comparison import BETTING_SHARE, MIN_EVENTS
from tropism.experiments.splits.analysis import PLAN
from tropism.experiments.splits.cells import Estimate, Tally, binary_cells
from tropism.experiments.splits.intervals import Moments, difference_bounds, gbstats_interval
from tropism.experiments.splits.measures import RATIO_SHARE
from tropism.experiments.splits.rare import log_evidence

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]
ALPHA = 0.05
PER_DAY = 4_000
DELAY_DAYS = 7
MIN_UNITS = 30
BATCH = 500
SPLITS = {"50/50": 0.5, "95/5": 0.05}
GOALS = ("increase", "decrease")
RAMP, HORIZON = (0.01, 0.05, 0.25, 0.5), 14
"""Of a canary: its shares, and the days at the last one before a test of a fixed horizon is made."""


class Runs(NamedTuple):
    """Units and successes by variant and day, each of shape (runs, 2, days)."""

    n: Floats
    ones: Floats


def draw(
    rng: np.random.Generator, runs: int, days: int, p: float, share: float, lift: float = 0.0, per_day: int = PER_DAY
) -> Runs:
    treated = rng.binomial(per_day, share, (runs, days))
    n = np.stack([per_day - treated, treated], axis=1)
    return Runs(n.astype(float), rng.binomial(n, np.array([p, p * (1 + lift)])[:, None]).astype(float))


def draw_ramp(rng: np.random.Generator, runs: int, days: int, p: float) -> Runs:
    grown = np.minimum(np.arange(days) / 10, 1.0)
    treated = rng.binomial(PER_DAY, 0.05 + 0.45 * grown, (runs, days))
    n = np.stack([PER_DAY - treated, treated], axis=1)
    return Runs(n.astype(float), rng.binomial(n, p * (1 + grown)).astype(float))


# Rules: whether each look promotes, shape (runs, looks).


def tropism(runs: Runs, goal: str, plan: float = PLAN) -> Truths:
    about, exact = ALPHA * (1 - BETTING_SHARE), ALPHA * BETTING_SHARE * RATIO_SHARE
    lower, upper = difference_bounds(Estimate.of(Tally.of(binary_cells(*runs)).running()), (about, about), plan)
    n, ones = runs.n.cumsum(-1), runs.ones.cumsum(-1)
    ready = (np.minimum(ones, n - ones) >= MIN_EVENTS).all(axis=1)
    order = slice(None) if goal == "increase" else slice(None, None, -1)
    sure = log_evidence(runs.n[:, order], runs.ones[:, order]) >= np.log(1 / exact)
    found = ready & (lower > 0 if goal == "increase" else upper < 0)
    return np.asarray((found | sure) & (n >= MIN_UNITS).all(axis=1))


def z(runs: Runs, goal: str) -> Truths:
    control, treatment = _moments(runs)
    error = np.sqrt(control.variance / control.n + treatment.variance / treatment.n)
    difference = (treatment.mean - control.mean) * (1 if goal == "increase" else -1)
    return np.asarray((difference > -ndtri(ALPHA) * error) & (error > 0))


def gbstats(runs: Runs, goal: str, alpha: float = 2 * ALPHA) -> Truths:
    control, treatment = _moments(runs)
    lower, upper = gbstats_interval(control, treatment, alpha=alpha)
    # gbstats says nothing while either variant has no variance.
    usable = (control.variance > 0) & (treatment.variance > 0)
    return np.asarray(usable & (lower > 0 if goal == "increase" else upper < 0))


def gbstats_default(runs: Runs, goal: str) -> Truths:
    return gbstats(runs, goal, ALPHA)


def _moments(runs: Runs) -> tuple[Any, Any]:
    n, ones = runs.n.cumsum(-1), runs.ones.cumsum(-1)
    mean = ones / n
    variance = mean * (1 - mean)
    control, treatment = (Moments(n[:, k], mean[:, k], variance[:, k]) for k in (0, 1))
    return control, treatment


RULES = (tropism, z, gbstats, gbstats_default)


def first_looks(promoted: Truths) -> NDArray[np.int64]:
    """The look that promotes in each run, counted from 1; 0 where none does."""
    return np.where(promoted.any(axis=1), promoted.argmax(axis=1) + 1, 0)


def looks_by_rule(p: float, split: str, looks: int, goal: str, lift: float, repetitions: int) -> dict[str, Any]:
    """The promoting look of each run, by rule; all rules see the same runs."""
    rng = np.random.default_rng(7)
    found: dict[str, list[NDArray[np.int64]]] = {rule.__name__: [] for rule in RULES}
    for start in range(0, repetitions, BATCH):
        count = min(BATCH, repetitions - start)
        change = lift if goal == "increase" else -lift
        runs = draw_ramp(rng, count, looks, p) if split == "ramp" else draw(rng, count, looks, p, SPLITS[split], change)
        for rule in RULES:
            found[rule.__name__].append(first_looks(rule(runs, goal)))
    return {name: np.concatenate(each) for name, each in found.items()}


def null_rows(p: float, split: str, looks: int, goal: str, repetitions: int) -> list[dict[str, Any]]:
    rows = []
    for rule, first in looks_by_rule(p, split, looks, goal, 0.0, repetitions).items():
        wrong = int((first > 0).sum())
        upper = float(betaincinv(wrong + 1, repetitions - wrong, 0.95)) if wrong < repetitions else 1.0
        rows.append(
            {"p": p, "split": split, "looks": looks, "delay_days": DELAY_DAYS, "wrong": wrong / repetitions,
             "upper": round(upper, 4), "rule": rule, "goal": goal, "runs": repetitions}
        )  # fmt: skip
    print(f"  p={p:<6} {split:6} {looks:3} looks, {goal}: " + _shown(rows, "wrong"), flush=True)
    return rows


def power_rows(p: float, split: str, looks: int, lift: float, repetitions: int) -> list[dict[str, Any]]:
    rows = []
    for rule, first in looks_by_rule(p, split, looks, "increase", lift, repetitions).items():
        taken = first[first > 0]
        rows.append(
            {"p": p, "split": split, "looks": looks, "delay_days": DELAY_DAYS, "lift": lift,
             "power": len(taken) / repetitions, "median_days": float(np.median(taken)) + DELAY_DAYS if len(taken)
             else None, "rule": rule, "goal": "increase", "runs": repetitions}
        )  # fmt: skip
    print(f"  p={p:<6} {split:6} {looks:3} looks, lift {lift:.0%}: " + _shown(rows, "power"), flush=True)
    return rows


def draw_canary(rng: np.random.Generator, runs: int, days: int, p: float, lift: float, delay: int) -> Runs:
    """Units of a ramp of which each step waits until what was predicted at the last one has matured."""
    share = np.array(RAMP)[np.minimum(np.arange(days) // (1 + delay), len(RAMP) - 1)]
    treated = rng.binomial(PER_DAY, share, (runs, days))
    n = np.stack([PER_DAY - treated, treated], axis=1)
    return Runs(n.astype(float), rng.binomial(n, np.array([p, p * (1 + lift)])[:, None]).astype(float))


def harm_rows(p: float, lift: float, delay: int, repetitions: int) -> list[dict[str, Any]]:
    """A bad version on live traffic: requests that it answers before it is taken off, by rule.

    Each day is looked at when it has matured, and traffic goes on meanwhile. `fixed_horizon`: one test at the end.
    """
    rng, end = np.random.default_rng(11), len(RAMP) * (1 + delay) + HORIZON
    runs = draw_canary(rng, repetitions, end + delay, p, lift, delay)
    answered = runs.n[:, 1].cumsum(-1)
    seen = Runs(runs.n[..., :end], runs.ones[..., :end])
    found = {rule.__name__: first_looks(rule(seen, "decrease")) for rule in (tropism, z, gbstats)}
    found["fixed_horizon"] = np.where(z(seen, "decrease")[:, -1], end, 0)
    rows = []
    for rule, first in found.items():
        stopped = np.where(first > 0, first, end) + delay
        harmed = answered[np.arange(repetitions), stopped - 1]
        rows.append(
            {"p": p, "lift": lift, "delay_days": delay, "rule": rule, "stopped": float((first > 0).mean()),
             "median_days": float(np.median(stopped)), "harmed_requests": float(np.median(harmed)),
             "of_requests": float(np.median(stopped)) * PER_DAY, "runs": repetitions}
        )  # fmt: skip
    print(
        f"  p={p:<6} lift {lift:.0%}, {delay} days late: "
        + ", ".join(
            f"{row['rule']} {row['harmed_requests']:.0f} ({row['stopped']:.0%} by day {row['median_days']:.0f})"
            for row in rows
        ),
        flush=True,
    )
    return rows


def _shown(rows: list[dict[str, Any]], what: str) -> str:
    return ", ".join(
        f"{row['rule']} {row[what]:.1%}" + (f" ({row['median_days']} days)" if "median_days" in row else "")
        for row in rows
    )


def measure(repetitions: int) -> dict[str, list[dict[str, Any]]]:
    """All rows, printed as they come. Power takes a quarter of the repetitions."""
    print(f"no difference, alpha {ALPHA}: wrong promotions")
    null = [
        row
        for p in (0.05, 0.002)
        for split in SPLITS
        for looks in (30, 300)
        for goal in GOALS
        for row in null_rows(p, split, looks, goal, repetitions)
    ]
    null += [row for p in (0.05, 0.002) for row in null_rows(p, "ramp", 30, "increase", repetitions)]
    print("a real difference: promotions, and the median day of those")
    cases = [(0.05, "50/50", 30, 0.05), (0.05, "50/50", 30, 0.1), (0.05, "95/5", 30, 0.2), (0.002, "50/50", 30, 0.5),
             (0.002, "95/5", 30, 2.0), (0.002, "50/50", 300, 0.2)]  # fmt: skip
    power = [row for case in cases for row in power_rows(*case, max(1, repetitions // 4))]
    print("a bad canary: requests that it answers before it is taken off, the median")
    harm = [
        row
        for p, lift in ((0.05, -0.2), (0.05, -0.5), (0.002, -0.9))
        for delay in (0, DELAY_DAYS)
        for row in harm_rows(p, lift, delay, max(1, repetitions // 4))
    ]
    return {"null": null, "power": power, "harm": harm}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=4_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "split_decisions.json")
    options = parser.parse_args()
    started = time.perf_counter()
    results = measure(options.repetitions)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    print(f"{time.perf_counter() - started:.0f} s; written to {options.out}")


if __name__ == "__main__":
    main()
