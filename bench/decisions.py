"""How often the comparison promotes wrongly, and how fast it promotes rightly: a simulation with late labels.

    python bench/decisions.py [--runs 600] [--out bench/results/decisions.json]

Every run is one challenge. Predictions are made each day by both models, and outcomes arrive up to 20 days later. The
challenge is looked at 30 times, every second day from the 22nd day on, and ends with the first promotion. A verdict
of `worse` would end it earlier; here it does not, which can only add wrong promotions.

A *world* draws the predictions of a run; a *rule* says which of them a look on a given day counts, and with which
losses. `matured_only` is what Tropism does. The two others are contrasts, common in practice.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.special import betaincinv, expit, logit

from tropism.experiments.comparison import compare
from tropism.experiments.power import outcomes_needed

Floats = NDArray[np.float64]
LOOKS = 30
DELAY_DAYS = 20
EVERY = 2
PER_DAY = 20
DAYS = LOOKS * EVERY + DELAY_DAYS
ROWS = PER_DAY * DAYS
ALPHA = 0.05


class Stream(NamedTuple):
    """The predictions of one run, in time order; each field has shape (n,). Losses are (incumbent, challenger)."""

    day: NDArray[np.int64]
    known: NDArray[np.int64]
    """Day on which the outcome arrives, 0 to 20 days after the prediction."""
    label: NDArray[np.bool_] | None
    losses: tuple[Floats, Floats]
    if_negative: tuple[Floats, Floats]
    """What the losses would be if the label were negative."""
    cohort: NDArray[np.int64]
    """The exposure day that the comparison is told."""


class Counted(NamedTuple):
    """What a look counts."""

    losses: tuple[Floats, Floats]
    cohort: NDArray[np.int64]
    label: NDArray[np.bool_] | None


World = Callable[[np.random.Generator], Stream]
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


# Worlds without a difference.


def noisy(p: float, loss: str = "log_loss") -> World:
    """Two models that see the truth through equal, independent noise; positives at a rate of about `p`."""

    def draw(rng: np.random.Generator) -> Stream:
        truth = logit(p) + rng.normal(size=ROWS)
        return _classified(rng, truth, expit(truth + _noise(rng)), expit(truth + _noise(rng)), loss)

    return draw


def tilted(p: float, loss: str = "log_loss") -> World:
    """One model predicts too high, the other too low, at the same expected loss; which is which is drawn."""
    low = _fair_tilt(p, loss)

    def draw(rng: np.random.Generator) -> Stream:
        truth = logit(p) + rng.normal(size=ROWS)
        scores = expit(truth + _noise(rng) + TILT), expit(truth + _noise(rng) - low)
        first = int(rng.integers(2))
        return _classified(rng, truth, scores[first], scores[1 - first], loss)

    return draw


def errors(p: float, better: float | None = None) -> World:
    """Losses of 0 and 1: the incumbent errs at a rate of `p`, the challenger at the same or at `better`."""

    def draw(rng: np.random.Generator) -> Stream:
        wrong = (
            (rng.random(ROWS) < p).astype(float),
            (rng.random(ROWS) < (p if better is None else better)).astype(float),
        )
        return _unlabelled(rng, *wrong)

    return draw


def dependent(rho: float, heavy: bool = False, chosen: bool = False) -> World:
    """Differences that follow a first-order autoregression, of normal or heavy-tailed (t, 4 degrees) shocks.

    `chosen`: the challenge was opened because the incumbent looked worse, by 1.3 standard errors, over the three
    days just before. Those days are not counted, but what they leave behind in the next differences is.
    """
    before = 3 * PER_DAY
    threshold = 1.3 / np.sqrt(before) / (1 - rho)

    def draw(rng: np.random.Generator) -> Stream:
        while True:
            steps = rng.standard_t(4, ROWS + 200) if heavy else rng.normal(size=ROWS + 200)
            steps = lfilter([1.0], [1.0, -rho], steps)
            if not chosen or steps[-ROWS - before : -ROWS].mean() > threshold:
                return _unlabelled(rng, 10 + steps[-ROWS:], np.full(ROWS, 10.0))

    return draw


def skewed(rng: np.random.Generator) -> Stream:
    """Log-normal differences: the challenger is a little better nearly always, and rarely far worse."""
    return _unlabelled(rng, np.full(ROWS, np.exp(0.5)), np.exp(rng.normal(size=ROWS)))


def daily_shocks(size: float, per_day: int = PER_DAY) -> World:
    """Each day has a shock of its own, of `size` standard deviations of one difference.

    With more predictions `per_day` the first looks see one day or a few, which cannot tell a shock from an effect.
    """

    def draw(rng: np.random.Generator) -> Stream:
        cohort = np.arange(ROWS) // per_day
        shocks = rng.normal(size=ROWS)[cohort] * size
        return _unlabelled(rng, 10 + rng.normal(size=ROWS) + shocks, np.full(ROWS, 10.0))._replace(cohort=cohort)

    return draw


# Worlds with a difference.


def sharper(p: float, noise: float) -> World:
    """The incumbent sees the truth through `noise` (in log odds), the challenger through 0.3."""

    def draw(rng: np.random.Generator) -> Stream:
        truth = logit(p) + rng.normal(size=ROWS)
        scores = expit(truth + noise * rng.normal(size=ROWS)), expit(truth + 0.3 * rng.normal(size=ROWS))
        return _classified(rng, truth, *scores, "log_loss")

    return draw


TILT = 0.8
_NOISE = 0.5


def _noise(rng: np.random.Generator) -> Floats:
    return _NOISE * rng.normal(size=ROWS)


def _loss(name: str, positive: NDArray[np.bool_], score: Floats) -> Floats:
    return -np.log(np.where(positive, score, 1 - score)) if name == "log_loss" else (positive - score) ** 2


@cache
def _fair_tilt(p: float, loss: str) -> float:
    """How much too low (in log odds) is as bad, in expectation, as TILT too high."""
    points, weights = np.polynomial.hermite_e.hermegauss(40)
    truth, noise = np.meshgrid(logit(p) + points, _NOISE * points)
    weight = np.outer(weights, weights) / weights.sum() ** 2

    def expected(shift: float) -> float:
        chance, score = expit(truth), expit(truth + noise + shift)
        yes, no = np.ones(truth.shape, bool), np.zeros(truth.shape, bool)
        return float((weight * (chance * _loss(loss, yes, score) + (1 - chance) * _loss(loss, no, score))).sum())

    return float(brentq(lambda low: expected(-low) - expected(TILT), 0.0, 20.0))


def _classified(rng: np.random.Generator, truth: Floats, incumbent: Floats, challenger: Floats, loss: str) -> Stream:
    """Positives are reported within 20 days, most of them soon; negatives are known when the window closes."""
    label = rng.random(ROWS) < expit(truth)
    day = np.repeat(np.arange(DAYS), PER_DAY)
    late = np.where(label, np.floor(DELAY_DAYS * rng.random(ROWS) ** 2).astype(int), DELAY_DAYS)
    scores = incumbent, challenger
    real = tuple(_loss(loss, label, score) for score in scores)
    assumed = tuple(_loss(loss, np.zeros(ROWS, bool), score) for score in scores)
    return Stream(day, day + late, label, (real[0], real[1]), (assumed[0], assumed[1]), day)


def _unlabelled(rng: np.random.Generator, incumbent: Floats, challenger: Floats) -> Stream:
    day = np.repeat(np.arange(DAYS), PER_DAY)
    known = day + rng.integers(0, DELAY_DAYS + 1, ROWS)
    return Stream(day, known, None, (incumbent, challenger), (incumbent, challenger), day)


# Runs.


def day_of_promotion(stream: Stream, rule: Rule) -> int | None:
    """Day, from the opening of the challenge, of the first look that promotes; None when none does."""
    for look in range(1, LOOKS + 1):
        today = DELAY_DAYS + look * EVERY
        counted = rule(stream, today)
        verdict = compare(*counted.losses, cohorts=counted.cohort, labels=counted.label, alpha=ALPHA).verdict
        if verdict == "better":
            return today
    return None


def promotions(world: World, runs: int, seed: int, rule: Rule = matured_only) -> list[int | None]:
    """The day of promotion in each of `runs` runs."""
    rng = np.random.default_rng(seed)
    return [day_of_promotion(world(rng), rule) for _ in range(runs)]


def upper_limit(count: int, runs: int, confidence: float = 0.95) -> float:
    """Upper bound of a rate, from the number of times it was seen (Clopper and Pearson)."""
    return 1.0 if count >= runs else float(betaincinv(count + 1, runs - count, confidence))


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


def null_row(
    scenario: str, p: float | None, loss: str, world: World, runs: int, rule: Rule = matured_only
) -> dict[str, Any]:
    """How often a challenger without an advantage is promoted; also printed."""
    wrong = sum(day is not None for day in promotions(world, runs, 7, rule))
    rates = {"wrong": wrong / runs, "upper": round(upper_limit(wrong, runs), 4), "runs": runs}
    setting = {"scenario": scenario, "p": p, "loss": loss, "rule": rule.__name__, "split": False}
    limit = f"{wrong / runs:7.2%} wrong (95% upper limit {rates['upper']:.2%})"
    print(f"  {rule.__name__:21} {scenario:33} p={p!s:5} {loss:9}{limit}", flush=True)
    return {**setting, "looks": LOOKS, "delay_days": DELAY_DAYS, **rates}


def power_row(scenario: str, p: float, world: World, runs: int) -> dict[str, Any]:
    """How often, and when, a better challenger is promoted; also printed."""
    days = [day for day in promotions(world, runs, 11) if day is not None]
    sample = [world(np.random.default_rng(seed)) for seed in range(30)]
    difference = np.concatenate([stream.losses[0] - stream.losses[1] for stream in sample])
    effect, deviation = float(difference.mean()), float(difference.std())
    planned = outcomes_needed(effect, deviation, alpha=ALPHA)
    median = float(np.median(days)) if days else None
    found = f"power {len(days) / runs:.0%}, median {median} days, {planned} outcomes planned"
    print(f"  {scenario:33} p={p:<5} {found}", flush=True)
    return {
        "scenario": scenario,
        "p": p,
        "effect": round(effect, 4),
        "deviation": round(deviation, 4),
        "planned": planned,
        "per_day": PER_DAY,
        "looks": LOOKS,
        "delay_days": DELAY_DAYS,
        "runs": runs,
        "power": len(days) / runs,
        "median_days": median,
    }


def measure(runs: int) -> dict[str, list[dict[str, Any]]]:
    """All rows, printed as they come. Contrasts and power take a quarter of the runs."""
    print(f"no difference, {LOOKS} looks, labels up to {DELAY_DAYS} days late, alpha {ALPHA}")
    null = [null_row(*row, runs) for row in NULL]
    print("no difference, but the first days are not like the others: the limit of what is assumed")
    limits = [null_row(*row, runs) for row in LIMITS]
    print("no difference, rules that do not wait for labels")
    tilts = [row for row in NULL if row[0] == "tilted"]
    contrasts = [null_row(*row, runs // 4, rule) for rule in (no_label_is_negative, labelled_only) for row in tilts]
    print("a real difference")
    power = [power_row(*row, runs // 4) for row in REAL]
    return {"null": null, "limits": limits, "contrasts": contrasts, "power": power}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "decisions.json")
    options = parser.parse_args()
    started = time.perf_counter()
    results = measure(options.runs)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    print(f"{time.perf_counter() - started:.0f} s; written to {options.out}")


if __name__ == "__main__":
    main()
