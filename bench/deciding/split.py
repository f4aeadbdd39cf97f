"""Split traffic: how often it promotes wrongly, and how soon rightly, by rule.

Each unit sees one of two variants and is a success or not, at a rate of `p` in the control. Every day 4,000 units are
exposed, and their outcomes are known `delay_days` later, all of a day by then. There is a look every day, 30 or 300
of them that see something, and the first that finds the treatment better ends the experiment. A look counts the days
that have matured whole, so a delay moves a decision by as many days; each setting is drawn anew. Rules, each with 5%
for a treatment that is no better:

- `tropism`: the bounds of `tropism.experiments.splits`, by the functions that `analyse` calls, on many runs at once.
- `z_at_each_look`: the usual one-sided test at every look, as if it were the only one.
- `fixed_horizon_z`: the same test, once, at the last look.
- `planned_z`: once, on the day on which it has a power of 80% for the effect that there is, which nobody knows.
- `gbstats`: GrowthBook's sequential interval at alpha = 0.1, so 5% on each side; `gbstats_default`: at its 0.05, so
  2.5%. By our function, which `deciding.peers` compares with the package on looks of these runs.
- `ville`: see `deciding.peers`.

`ramp`: the treatment's share grows from 5% to 50% within ten days while the rate of both doubles: the same rates on
every day, and yet a difference of the totals. `goal`: whether more successes are better, or fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from deciding.report import upper_limit
from numpy.typing import NDArray
from scipy.special import ndtri

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
MIN_UNITS = 30
BATCH = 500
SEED = 7
POWER_WANTED = 0.8
SPLITS = {"50/50": 0.5, "5%": 0.05}
GOALS = ("increase", "decrease")


class Runs(NamedTuple):
    """Units and successes by variant and day, each of shape (runs, 2, days)."""

    n: Floats
    ones: Floats


class Setting(NamedTuple):
    """What is simulated. `lift`: of the treatment's rate over the control's `p`; `split`: of `SPLITS`, or `ramp`."""

    p: float
    split: str
    looks: int
    delay_days: int
    lift: float = 0.0

    @property
    def columns(self) -> dict[str, Any]:
        shown = {"p": self.p, "split": self.split, "looks": self.looks, "delay_days": self.delay_days}
        return {**shown, "lift": self.lift} if self.lift else shown

    @property
    def told(self) -> str:
        lift = f", lift {self.lift:.0%}" if self.lift else ""
        return f"split p={self.p:<5} {self.split:6}{self.looks:4} looks, {self.delay_days:2} days late{lift}"

    @property
    def seed(self) -> list[int]:
        """One of its own for each setting."""
        names = [*SPLITS, "ramp"]
        numbers = (round(self.p * 1e6), names.index(self.split), self.looks, self.delay_days, round(self.lift * 1e6))
        return [SEED, *numbers]

    def runs(self, count: int) -> Iterator[Runs]:
        """The first `count` of them, in batches; the same ones each time, and for any `count`."""
        rng = np.random.default_rng(self.seed)
        for start in range(0, count, BATCH):
            if self.split == "ramp":
                drawn = draw_ramp(rng, BATCH, self.looks, self.p)
            else:
                drawn = draw(rng, BATCH, self.looks, self.p, SPLITS[self.split], self.lift)
            yield Runs(*(part[: count - start] for part in drawn))


Rule = Callable[[Runs, str], Truths]
"""Whether each look promotes, shape (runs, looks)."""

NULL = [
    Setting(p, split, looks, delay)
    for p in (0.05, 0.002)
    for split in SPLITS
    for looks in (30, 300)
    for delay in (0, 20)
]
RAMPS = [Setting(p, "ramp", 30, delay) for p in (0.05, 0.002) for delay in (0, 20)]
REAL = [
    Setting(p, split, looks, delay, lift)
    for p, split, looks, lift in (
        (0.05, "50/50", 30, 0.05),
        (0.05, "50/50", 30, 0.1),
        (0.05, "5%", 30, 0.2),
        (0.05, "5%", 300, 0.1),
        (0.002, "50/50", 30, 0.5),
        (0.002, "50/50", 300, 0.2),
        (0.002, "5%", 30, 2.0),
        (0.002, "5%", 300, 0.5),
    )
    for delay in (0, 20)
]


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


# Rules.


def tropism(runs: Runs, goal: str, plan: float = PLAN) -> Truths:
    about, exact = ALPHA * (1 - BETTING_SHARE), ALPHA * BETTING_SHARE * RATIO_SHARE
    lower, upper = difference_bounds(Estimate.of(Tally.of(binary_cells(*runs)).running()), (about, about), plan)
    n, ones = runs.n.cumsum(-1), runs.ones.cumsum(-1)
    ready = (np.minimum(ones, n - ones) >= MIN_EVENTS).all(axis=1)
    order = slice(None) if goal == "increase" else slice(None, None, -1)
    sure = log_evidence(runs.n[:, order], runs.ones[:, order]) >= np.log(1 / exact)
    found = ready & (lower > 0 if goal == "increase" else upper < 0)
    return np.asarray((found | sure) & (n >= MIN_UNITS).all(axis=1))


def z_at_each_look(runs: Runs, goal: str) -> Truths:
    control, treatment = moments(runs)
    error = np.sqrt(control.variance / control.n + treatment.variance / treatment.n)
    difference = (treatment.mean - control.mean) * (1 if goal == "increase" else -1)
    return np.asarray((difference > -ndtri(ALPHA) * error) & (error > 0))


def z_once(day: int) -> Rule:
    """The test made on `day` alone, counted from 1."""

    def rule(runs: Runs, goal: str) -> Truths:
        up_to = Runs(runs.n[..., :day].sum(-1, keepdims=True), runs.ones[..., :day].sum(-1, keepdims=True))
        promoted = np.zeros((len(runs.n), runs.n.shape[-1]), bool)
        promoted[:, day - 1] = z_at_each_look(up_to, goal)[:, 0]
        return promoted

    return rule


def planned_day(setting: Setting) -> int:
    """The first day on which one z test has a power of 80% for the setting's effect, at most the last look's."""
    share, rates = SPLITS[setting.split], (setting.p, setting.p * (1 + setting.lift))
    variance = sum(rate * (1 - rate) / part for rate, part in zip(rates, (1 - share, share), strict=True))
    units = variance * (float(ndtri(1 - ALPHA) + ndtri(POWER_WANTED)) / (rates[1] - rates[0])) ** 2
    return min(setting.looks, int(np.ceil(units / PER_DAY)))


def gbstats(runs: Runs, goal: str, alpha: float = 2 * ALPHA) -> Truths:
    control, treatment = moments(runs)
    lower, upper = gbstats_interval(control, treatment, alpha=alpha)
    # gbstats says nothing while either variant has no variance.
    usable = (control.variance > 0) & (treatment.variance > 0)
    return np.asarray(usable & (lower > 0 if goal == "increase" else upper < 0))


def gbstats_default(runs: Runs, goal: str) -> Truths:
    return gbstats(runs, goal, ALPHA)


def moments(runs: Runs) -> tuple[Any, Any]:
    n, ones = runs.n.cumsum(-1), runs.ones.cumsum(-1)
    mean = ones / n
    variance = mean * (1 - mean)
    control, treatment = (Moments(n[:, k], mean[:, k], variance[:, k]) for k in (0, 1))
    return control, treatment


def null_rules(setting: Setting) -> dict[str, Rule]:
    return {
        "tropism": tropism,
        "z_at_each_look": z_at_each_look,
        "fixed_horizon_z": z_once(setting.looks),
        "gbstats": gbstats,
        "gbstats_default": gbstats_default,
    }


def power_rules(setting: Setting) -> dict[str, Rule]:
    return {
        "tropism": tropism,
        "fixed_horizon_z": z_once(setting.looks),
        "planned_z": z_once(planned_day(setting)),
        "gbstats": gbstats,
        "gbstats_default": gbstats_default,
    }


# Rows.


def first_looks(promoted: Truths) -> NDArray[np.int64]:
    """The look that promotes in each run, counted from 1; 0 where none does."""
    return np.where(promoted.any(axis=1), promoted.argmax(axis=1) + 1, 0)


def looks_by_rule(setting: Setting, goal: str, rules: dict[str, Rule], count: int) -> dict[str, NDArray[np.int64]]:
    """The promoting look of each run, by rule; all rules see the same runs."""
    found: dict[str, list[NDArray[np.int64]]] = {name: [] for name in rules}
    for runs in setting.runs(count):
        for name, rule in rules.items():
            found[name].append(first_looks(rule(runs, goal)))
    return {name: np.concatenate(each) for name, each in found.items()}


def null_row(rule: str, setting: Setting, goal: str, first: NDArray[np.int64]) -> dict[str, Any]:
    """How often a treatment that is no better is promoted."""
    wrong, count = int((first > 0).sum()), len(first)
    rates = {"wrong": wrong / count, "upper": round(upper_limit(wrong, count), 4), "runs": count}
    return {"comparison": "split", "rule": rule, "goal": goal, **setting.columns, **rates}


def power_row(rule: str, setting: Setting, first: NDArray[np.int64]) -> dict[str, Any]:
    """How often one that is better is promoted, and the median day of those, from the start and with the delay."""
    taken = first[first > 0]
    median = float(np.median(taken)) + setting.delay_days if len(taken) else None
    found = {"power": len(taken) / len(first), "median_days": median, "runs": len(first)}
    return {"comparison": "split", "rule": rule, "goal": "increase", **setting.columns, **found}


def null_rows(setting: Setting, goal: str, count: int, rules: dict[str, Rule] | None = None) -> list[dict[str, Any]]:
    looks = looks_by_rule(setting, goal, rules or null_rules(setting), count)
    return [null_row(rule, setting, goal, first) for rule, first in looks.items()]


def power_rows(setting: Setting, count: int) -> list[dict[str, Any]]:
    looks = looks_by_rule(setting, "increase", power_rules(setting), count)
    return [power_row(rule, setting, first) for rule, first in looks.items()]
