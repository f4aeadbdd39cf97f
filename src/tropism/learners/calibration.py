"""Maps scores to probabilities that come true as often as they say. Fitted on scores of rows not trained on.

Platt: Platt, Probabilistic Outputs for Support Vector Machines, 1999, with the targets and the Newton steps of
Lin, Lin, Weng, A Note on Platt's Probabilistic Outputs, 2007. Temperature: Guo, Pleiss, Sun, Weinberger, On
Calibration of Modern Neural Networks, ICML 2017. Isotonic: Zadrozny, Elkan, KDD 2002, by pooling of adjacent
violators. No map reverses the order of scores.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from tropism.core.errors import Fault, InvalidInput
from tropism.learners.links import LEAST, logit, ordered_sum, sigmoid, softmax

if TYPE_CHECKING:
    from tropism.core.task import Kind
    from tropism.learners.base import Floats

FEWEST = 10
"""Rows that two classes must have before anything is fitted."""
FLATTEST, STEEPEST = 0.05, 20.0
MOST_KNOTS = 100_000
Method = Literal["auto", "platt", "temperature", "isotonic", "none"]


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="identity"):
    """Leaves scores as they are."""

    def apply(self, scores: Floats) -> Floats:
        return scores

    def sound(self, kind: Kind) -> bool:  # noqa: ARG002 - one shape for all maps
        return True


class Platt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="platt"):
    """p becomes sigmoid(slope * logit(p) + intercept). Binary, scores (n, 1)."""

    slope: float
    intercept: float

    def apply(self, scores: Floats) -> Floats:
        return sigmoid(self.slope * logit(scores) + self.intercept)

    def sound(self, kind: Kind) -> bool:
        return kind == "binary" and 0.0 <= self.slope <= 1e6 and abs(self.intercept) <= 1e6


class Temperature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="temperature"):
    """p becomes softmax(log(p) / temperature). Multiclass, scores (n, k)."""

    temperature: float

    def apply(self, scores: Floats) -> Floats:
        return softmax(np.log(np.maximum(scores, LEAST)) / self.temperature)

    def sound(self, kind: Kind) -> bool:
        return kind == "multiclass" and 1e-6 <= self.temperature <= 1e6


class Isotonic(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="isotonic"):
    """p is read off a rising line through knots (x, y). Binary, scores (n, 1)."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def apply(self, scores: Floats) -> Floats:
        return np.interp(scores, self.x, self.y)

    def sound(self, kind: Kind) -> bool:
        rising = all(a < b for a, b in pairwise(self.x)) and all(a <= b for a, b in pairwise(self.y))
        length = 0 < len(self.x) == len(self.y) <= MOST_KNOTS
        return kind == "binary" and length and rising and self.y[0] >= 0.0 and self.y[-1] <= 1.0


Calibration = Identity | Platt | Temperature | Isotonic


def fit_calibration(kind: Kind, labels: Floats, scores: Floats, *, method: Method = "auto") -> Calibration:
    """A map fitted on labels (n,) and out-of-sample scores (n, outputs).

    `auto` is Platt for binary and temperature for multiclass tasks. `Identity` comes back for regression, for
    `none`, and when fewer than two classes were seen in `FEWEST` rows or more.

    Raises:
        InvalidInput: the method is not one for this kind.

    >>> fit_calibration("regression", np.zeros(3), np.zeros((3, 1)))
    Identity()
    """
    methods: dict[str, tuple[str, ...]] = {"binary": ("platt", "isotonic"), "multiclass": ("temperature",)}
    allowed = methods.get(kind, ())
    if method not in ("auto", "none", *allowed):
        fix = f"use one of: {', '.join(('auto', 'none', *allowed))}"
        raise InvalidInput(f"{method} does not calibrate {kind} tasks", Fault("method", repr(method), fix))
    if not allowed or method == "none":
        return Identity()
    counts = np.bincount(labels.astype(np.int64), minlength=2)
    if np.sort(counts)[-2] < FEWEST:
        return Identity()
    if kind == "multiclass":
        return _fit_temperature(labels, scores)
    return _fit_isotonic(labels, scores[:, 0]) if method == "isotonic" else _fit_platt(labels, scores[:, 0])


def _fit_platt(labels: Floats, scores: Floats) -> Platt:
    positives = float(labels.sum())
    negatives = len(labels) - positives
    # Lin's targets stop short of 0 and 1, so that separable scores give a finite slope.
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    x = logit(scores)
    found = np.array([1.0, 0.0])
    for _ in range(100):
        p = sigmoid(found[0] * x + found[1])
        gradient = np.array([np.sum((p - target) * x), np.sum(p - target)])
        weight = p * (1 - p)
        cross = np.sum(weight * x)
        hessian = np.array([[np.sum(weight * x * x), cross], [cross, np.sum(weight)]]) + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        found = _descend(found, step, x, target)
        if np.max(np.abs(step)) < 1e-10:
            break
    if found[0] <= 0:  # worse than no score at all: the share of positives is the best that is left
        return Platt(0.0, float(logit(np.array([target.mean()]))[0]))
    return Platt(float(min(found[0], 1e6)), float(np.clip(found[1], -1e6, 1e6)))


def _descend(found: Floats, step: Floats, x: Floats, target: Floats) -> Floats:
    """The longest of the step and its halves that lowers the loss."""

    def loss(parameters: Floats) -> float:
        z = parameters[0] * x + parameters[1]
        return float(np.sum(np.logaddexp(0.0, z) - target * z))

    before = loss(found)
    for halving in range(30):
        tried: Floats = found - step / 2**halving
        if loss(tried) <= before:
            return tried
    return found


def _fit_temperature(labels: Floats, scores: Floats) -> Temperature:
    """The mean log loss is convex in 1 / temperature, so bisection on its slope finds the least."""
    logs = np.log(np.maximum(scores, LEAST))
    told = logs[np.arange(len(labels)), labels.astype(np.int64)]
    low, high = 1 / STEEPEST, 1 / FLATTEST
    for _ in range(60):
        middle = (low + high) / 2
        slope = np.mean(ordered_sum(softmax(middle * logs) * logs) - told)
        low, high = (low, middle) if slope > 0 else (middle, high)
    return Temperature(2 / (low + high))


def _fit_isotonic(labels: Floats, scores: Floats) -> Isotonic:
    x, inverse = np.unique(scores, return_inverse=True)
    weights = np.bincount(inverse).astype(np.float64)
    means = np.bincount(inverse, labels) / weights
    pools: list[tuple[float, float, int]] = []  # mean, weight, values pooled
    for mean, weight in zip(means.tolist(), weights.tolist(), strict=True):
        pools.append((mean, weight, 1))
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            (m1, w1, n1), (m2, w2, n2) = pools[-2:]
            pools[-2:] = [((m1 * w1 + m2 * w2) / (w1 + w2), w1 + w2, n1 + n2)]
    y = np.repeat([mean for mean, _, _ in pools], [count for _, _, count in pools])
    # Only the ends of each pool bend the line.
    keep = np.ones(len(x), np.bool_)
    keep[1:-1] = (y[1:-1] != y[:-2]) | (y[1:-1] != y[2:])
    step = max(1, -(-int(keep.sum()) // MOST_KNOTS))
    return Isotonic(tuple(x[keep][::step].tolist()), tuple(y[keep][::step].tolist()))
