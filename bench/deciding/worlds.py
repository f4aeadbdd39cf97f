"""Worlds of paired challenges: each draws the predictions of one run, with the day on which each outcome is known.

Twenty predictions a day for 80 days, scored by both models. Positives are reported within 20 days, most of them soon;
negatives are known when the window closes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.special import expit, logit

Floats = NDArray[np.float64]
LOOKS = 30
DELAY_DAYS = 20
EVERY = 2
PER_DAY = 20
DAYS = LOOKS * EVERY + DELAY_DAYS
ROWS = PER_DAY * DAYS


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


World = Callable[[np.random.Generator], Stream]


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
