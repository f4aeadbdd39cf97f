"""Paired challenges with late labels: how often the comparison promotes wrongly, and how fast rightly.

A *world* draws the predictions of a run; a *rule* says which of them a look on a given day counts, and with which
losses. `matured_only` is what Tropism does. The two others are contrasts, common in practice. A run is looked at 30
times, every second day from the 22nd day on, and ends with the first promotion. A verdict of `worse` would end it
earlier; here it does not, which can only add wrong promotions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from deciding.report import Progress, upper_limit
from deciding.worlds import (
    DELAY_DAYS,
    EVERY,
    LOOKS,
    PER_DAY,
    Floats,
    Stream,
    World,
    daily_shocks,
    dependent,
    errors,
    noisy,
    sharper,
    skewed,
    tilted,
)
from numpy.typing import NDArray

from tropism.experiments.comparison import compare
from tropism.experiments.confidence import radius, tuning
from tropism.experiments.power import outcomes_needed

ALPHA = 0.05
PLAN = 300
SEEDS = {"null": 7, "power": 11}
NULL: list[tuple[str, float | None, str, World]] = [
    *[("noisy", p, "log_loss", noisy(p)) for p in (0.05, 0.1, 0.2, 0.3)],
    ("noisy", 0.1, "brier", noisy(0.1, "brier")),
    *[("tilted", p, "log_loss", tilted(p)) for p in (0.05, 0.1, 0.2, 0.3)],
    *[("errors", p, "accuracy", errors(p)) for p in (0.05, 0.1, 0.2, 0.3)],
    ("autoregression 0.5", None, "", dependent(0.5)),
    ("autoregression 0.5, heavy tails", None, "", dependent(0.5, heavy=True)),
    ("chosen start", None, "", dependent(0.0, chosen=True)),
    ("chosen start, autoregression 0.5", None, "", dependent(0.5, chosen=True)),
    ("log-normal, skewed", None, "", skewed),
    ("daily shocks of 0.3", None, "", daily_shocks(0.3)),
    ("daily shocks of 1.0", None, "", daily_shocks(1.0)),
]
TILTED = [row for row in NULL if row[0] == "tilted"]
LIMITS: list[tuple[str, float | None, str, World]] = [
    ("daily shocks of 0.3, 60 a day", None, "", daily_shocks(0.3, 60)),
    ("daily shocks of 0.3, 300 a day", None, "", daily_shocks(0.3, 300)),
]
"""Where the comparison's assumption fails: a verdict on a few days that each have a shock of their own."""
REAL: list[tuple[str, float, World]] = [
    *[("log odds noise 1.0 against 0.3", p, sharper(p, 1.0)) for p in (0.05, 0.1, 0.2, 0.3)],
    *[("log odds noise 0.7 against 0.3", p, sharper(p, 0.7)) for p in (0.1, 0.3)],
    ("errors 0.10 against 0.06", 0.1, errors(0.1, 0.06)),
    ("errors 0.30 against 0.22", 0.3, errors(0.3, 0.22)),
]


class Counted(NamedTuple):
    """What a look counts."""

    losses: tuple[Floats, Floats]
    cohort: NDArray[np.int64]
    label: NDArray[np.bool_] | None


Rule = Callable[[Stream, int], Counted]


# Rules.


def matured_only(stream: Stream, today: int) -> Counted:
    """Predictions whose outcome window has closed: all of a day or none of it, whatever their labels were."""
    rows = stream.day + DELAY_DAYS <= today
    return _rows(stream, stream.losses, stream.label, rows)


def no_label_is_negative(stream: Stream, today: int) -> Counted:
    """Every prediction so far; one without a label yet counts as negative. Favours whoever predicts low."""
    arrived = stream.known <= today
    losses = tuple(
        np.where(arrived, real, assumed) for real, assumed in zip(stream.losses, stream.if_negative, strict=True)
    )
    label = None if stream.label is None else stream.label & arrived
    return _rows(stream, (losses[0], losses[1]), label, stream.day <= today)


def labelled_only(stream: Stream, today: int) -> Counted:
    """Predictions whose label is there. Favours whoever predicts the label that is quicker to arrive."""
    return _rows(stream, stream.losses, stream.label, stream.known <= today)


def _rows(
    stream: Stream, losses: tuple[Floats, Floats], label: NDArray[np.bool_] | None, rows: NDArray[np.bool_]
) -> Counted:
    return Counted((losses[0][rows], losses[1][rows]), stream.cohort[rows], None if label is None else label[rows])


# Runs.


@cache
def _reach(n: int) -> float:
    return float(radius(n, ALPHA, tuning(PLAN, ALPHA, one_sided=True), one_sided=True))


def may_be_better(counted: Counted) -> bool:
    """Whether `compare` could say `better`: its bound is never nearer than that of independent, symmetric values.

    Most looks are settled by this alone, at a twentieth of the time.
    """
    difference = counted.losses[0] - counted.losses[1]
    if len(difference) < 2:
        return False
    return bool(difference.mean() >= (1 - 1e-9) * _reach(len(difference)) * difference.std(ddof=1))


def day_of_promotion(stream: Stream, rule: Rule) -> int | None:
    """Day, from the opening of the challenge, of the first look that promotes; None when none does."""
    for look in range(1, LOOKS + 1):
        today = DELAY_DAYS + look * EVERY
        counted = rule(stream, today)
        if may_be_better(counted) and verdict(counted) == "better":
            return today
    return None


def verdict(counted: Counted) -> str:
    found = compare(*counted.losses, cohorts=counted.cohort, labels=counted.label, alpha=ALPHA, plan=PLAN)
    return found.verdict


def promotions(
    world: World, runs: int, seed: int, rule: Rule = matured_only, progress: Progress | None = None
) -> list[int | None]:
    """The day of promotion in each of `runs` runs."""
    rng = np.random.default_rng(seed)
    days = []
    for run in range(runs):
        days.append(day_of_promotion(world(rng), rule))
        if progress:
            progress.runs(run, runs)
    return days


def null_row(
    scenario: str,
    p: float | None,
    loss: str,
    world: World,
    runs: int,
    rule: Rule = matured_only,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """How often a challenger without an advantage is promoted; also printed."""
    wrong = sum(day is not None for day in promotions(world, runs, SEEDS["null"], rule, progress))
    upper = round(upper_limit(wrong, runs), 4)
    limit = f"{wrong / runs:7.2%} wrong (95% upper limit {upper:.2%})"
    (progress or Progress()).line(f"paired {rule.__name__:21} {scenario:33} p={p!s:5} {loss:9}{limit}")
    return {
        "comparison": "paired",
        "rule": "tropism" if rule is matured_only else rule.__name__,
        "scenario": scenario,
        "loss": loss,
        "p": p,
        "split": None,
        "looks": LOOKS,
        "delay_days": DELAY_DAYS,
        "wrong": wrong / runs,
        "upper": upper,
        "runs": runs,
    }


def power_row(scenario: str, p: float, world: World, runs: int, progress: Progress | None = None) -> dict[str, Any]:
    """How often, and when, a better challenger is promoted; also printed."""
    days = [day for day in promotions(world, runs, SEEDS["power"], progress=progress) if day is not None]
    sample = [world(np.random.default_rng(seed)) for seed in range(30)]
    difference = np.concatenate([stream.losses[0] - stream.losses[1] for stream in sample])
    effect, deviation = float(difference.mean()), float(difference.std())
    planned = outcomes_needed(effect, deviation, alpha=ALPHA)
    median = float(np.median(days)) if days else None
    found = f"power {len(days) / runs:.0%}, median {median} days, {planned} outcomes planned"
    (progress or Progress()).line(f"paired {scenario:33} p={p:<5} {found}")
    return {
        "comparison": "paired",
        "rule": "tropism",
        "scenario": scenario,
        "p": p,
        "split": None,
        "looks": LOOKS,
        "delay_days": DELAY_DAYS,
        "effect": round(effect, 4),
        "deviation": round(deviation, 4),
        "planned": planned,
        "per_day": PER_DAY,
        "power": len(days) / runs,
        "median_days": median,
        "runs": runs,
    }
