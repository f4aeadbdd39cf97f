"""What a policy would have earned, estimated from the decisions of another one.

- IPS weighs each reward by how much likelier the target policy was to choose its arm (Horvitz and Thompson, 1952).
  Unbiased where every arm that the target takes had a propensity above 0.
- SNIPS divides by the sum of the weights (Swaminathan and Joachims, "The self-normalized estimator for
  counterfactual learning", NeurIPS 2015): a little biased, and often less noisy.
- DR, doubly robust, predicts the reward of each arm, and corrects by the weighted error of the logged one (Dudik,
  Langford and Li, "Doubly robust policy evaluation and learning", ICML 2011). Unbiased as IPS is, whatever the
  predictions, as long as those of a row were made without it (`cross_fit`), and narrower the better they are.

Intervals, one estimate at a size of log fixed beforehand: `normal`, by the central limit theorem over the rows, for
logs with an effective sample size of 50 or more; `bernstein` for bounded rewards, which holds at every size and is
several times as wide (Maurer and Pontil, "Empirical Bernstein bounds and sample variance penalization", COLT 2009,
theorem 4). Rows are taken as independent given the policy that logged them; for a log of a policy that went on
learning, the normal interval needs propensities that stay away from 0.
"""

from __future__ import annotations

from math import log, sqrt
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from tropism.core.errors import Fault, InvalidInput
from tropism.experiments.bandits.weights import Logged, Weighted, effective_sample_size, weigh

Floats = NDArray[np.float64]
Method = Literal["ips", "snips", "dr"]
Kind = Literal["normal", "bernstein"]
ENOUGH = 50
"""Effective sample size from which a normal interval is given without a warning."""
_LARGEST_SHARE = 0.1
_ERRORS = 4.0


class Interval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which interval is wanted. `alpha`: probability that it misses. `bernstein` needs `low` and `high`, the bounds of
    a reward, and either `clip` or `floor`, the smallest propensity that the logging policy could give."""

    kind: Kind = "normal"
    alpha: float = 0.05
    low: float | None = None
    high: float | None = None
    floor: float | None = None


class Estimate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mean reward of the target policy with its interval.

    `effective`: sample size of the weights. `mean_weight`: near 1 where the log holds what the target would do.
    `clipped`: share of rows whose weight was cut. `warnings`: why the interval may not hold, as people read it.
    """

    method: Method
    value: float
    low: float
    high: float
    n: int
    effective: float
    mean_weight: float
    largest_weight: float
    clipped: float
    interval: Interval
    warnings: tuple[str, ...]


NORMAL = Interval()


def ips(logged: Logged, target: ArrayLike, *, clip: float | None = None, interval: Interval = NORMAL) -> Estimate:
    """Inverse propensity score; see the module.

    Args:
        target: probability of each arm under the target policy in each logged context, shape (n, k).
        clip: largest weight. A smaller one means less noise and a value that is pulled towards 0.

    Raises:
        InvalidInput: as `weights.weigh`, or an interval that lacks what it needs.

    >>> logged = Logged([0, 1, 0, 1], [1.0, 0.0, 1.0, 0.0], [0.5] * 4)
    >>> ips(logged, [[1.0, 0.0]] * 4).value
    1.0
    """
    weighted = weigh(logged, target, clip)
    return _mean("ips", weighted, weighted.weights * weighted.rewards, clip, interval)


def snips(logged: Logged, target: ArrayLike, *, clip: float | None = None, interval: Interval = NORMAL) -> Estimate:
    """Self-normalised; arguments and errors as in `ips`, and only the normal interval (by the delta method).

    >>> logged = Logged([0, 1, 0, 0], [1.0, 0.0, 1.0, 0.0], [0.5] * 4)
    >>> round(snips(logged, [[1.0, 0.0]] * 4).value, 3)
    0.667
    """
    _check(interval, clip)
    if interval.kind == "bernstein":
        fix = "use ips or dr, or a normal interval"
        raise InvalidInput("no such interval of a ratio", Fault("interval.kind", "bernstein", fix))
    weighted = weigh(logged, target, clip)
    weights, n = weighted.weights, len(weighted.weights)
    total = float(weights.sum())
    value = float(weights @ weighted.rewards) / total
    spread = weights * (weighted.rewards - value)
    reach = _quantile(interval) * sqrt(float(spread @ spread) * n / (n - 1)) / total
    return _estimate("snips", weighted, value, reach, interval)


def dr(
    logged: Logged,
    target: ArrayLike,
    predicted: ArrayLike,
    *,
    clip: float | None = None,
    interval: Interval = NORMAL,
) -> Estimate:
    """Doubly robust; arguments and errors as in `ips`.

    Args:
        predicted: reward of each arm in each logged context, shape (n, k), of a model that did not see the row.

    >>> logged = Logged([0, 1, 0, 1], [1.0, 0.0, 0.8, 0.2], [0.5] * 4)
    >>> round(dr(logged, [[1.0, 0.0]] * 4, [[0.9, 0.1]] * 4).value, 3)
    0.9
    """
    weighted = weigh(logged, target, clip)
    model = np.asarray(predicted, dtype=np.float64)
    if model.shape != weighted.target.shape or not np.isfinite(model).all():
        fault = Fault("predicted", f"shape {model.shape}", f"give finite numbers, shape {weighted.target.shape}")
        raise InvalidInput("predictions do not match the target", fault)
    low, high = interval.low, interval.high
    if interval.kind == "bernstein" and low is not None and high is not None:
        for row, arm in np.argwhere((model < low) | (model > high))[:1]:
            fault = Fault(f"predicted[{row}][{arm}]", str(model[row, arm]), f"cut them at {low} and {high}")
            raise InvalidInput("a prediction beyond the bounds of a reward", fault)
    logged_one = model[np.arange(len(model)), weighted.arms]
    direct = (weighted.target * model).sum(axis=1)
    return _mean("dr", weighted, direct + weighted.weights * (weighted.rewards - logged_one), clip, interval)


def gain(
    logged: Logged, target: ArrayLike, predicted: ArrayLike, *, clip: float | None = None, interval: Interval = NORMAL
) -> Estimate:
    """How much more than the target policy the one that logged earned, on the same decisions: the mean reward of the
    log less the doubly robust estimate, whose errors partly cancel. Arguments and errors as in `dr`, and only the
    normal interval.

    >>> logged = Logged([0, 1, 0, 1], [1.0, 0.0, 0.8, 0.2], [0.5] * 4)
    >>> round(gain(logged, [[1.0, 0.0]] * 4, [[0.9, 0.1]] * 4).value, 3)
    -0.4
    """
    if interval.kind != "normal":
        raise InvalidInput("no such interval of a gain", Fault("interval.kind", interval.kind, "use a normal interval"))
    weighted = weigh(logged, target, clip)
    model = np.asarray(predicted, dtype=np.float64)
    if model.shape != weighted.target.shape or not np.isfinite(model).all():
        fault = Fault("predicted", f"shape {model.shape}", f"give finite numbers, shape {weighted.target.shape}")
        raise InvalidInput("predictions do not match the target", fault)
    error = weighted.rewards - model[np.arange(len(model)), weighted.arms]
    direct = (weighted.target * model).sum(axis=1)
    return _mean("dr", weighted, weighted.rewards - direct - weighted.weights * error, clip, interval)


def _mean(method: Method, weighted: Weighted, terms: Floats, clip: float | None, interval: Interval) -> Estimate:
    """An estimate that is the mean of independent terms."""
    _check(interval, clip)
    n, deviation = len(terms), float(terms.std(ddof=1))
    if interval.kind == "normal":
        reach = _quantile(interval) * deviation / sqrt(n)
    else:
        chance = log(4 / interval.alpha)
        width = _range(method, weighted, clip, interval)
        reach = deviation * sqrt(2 * chance / n) + 7 * width * chance / (3 * (n - 1))
    return _estimate(method, weighted, float(terms.mean()), reach, interval)


def _range(method: Method, weighted: Weighted, clip: float | None, interval: Interval) -> float:
    """How far apart two terms can lie."""
    low, high, floor = interval.low, interval.high, interval.floor
    assert low is not None and high is not None
    for place in np.flatnonzero((weighted.rewards < low) | (weighted.rewards > high))[:1]:
        fault = Fault(f"rewards[{place}]", str(weighted.rewards[place]), f"give one from {low} to {high}")
        raise InvalidInput("a reward beyond its bounds", fault)
    largest = min(clip or np.inf, 1 / floor if floor else np.inf)
    if weighted.weights.max() > largest * (1 + 1e-9):
        fix = "give the smallest propensity that was possible"
        raise InvalidInput("a propensity below the floor", Fault("interval.floor", str(floor), fix))
    if method == "dr":
        return (high - low) * (1 + 2 * largest)
    return largest * (max(high, 0.0) - min(low, 0.0))


def _check(interval: Interval, clip: float | None) -> None:
    faults = []
    if not 0 < interval.alpha < 1:
        faults.append(Fault("interval.alpha", str(interval.alpha), "use a number between 0 and 1"))
    if interval.kind not in ("normal", "bernstein"):
        faults.append(Fault("interval.kind", repr(interval.kind), "use one of: bernstein, normal"))
    if interval.kind == "bernstein":
        low, high, floor = interval.low, interval.high, interval.floor
        if low is None or high is None or not -np.inf < low < high < np.inf:
            faults.append(Fault("interval.high", f"{low} to {high}", "give the bounds of a reward, `low` below `high`"))
        if not (clip or floor):
            fix = "give the smallest propensity that the logging policy could give, or `clip`"
            faults.append(Fault("interval.floor", str(floor), fix))
        elif floor is not None and not 0 < floor <= 1:
            faults.append(Fault("interval.floor", str(floor), "use a propensity above 0 and at most 1"))
    if faults:
        raise InvalidInput("this interval cannot be computed", *faults)


def _quantile(interval: Interval) -> float:
    return float(ndtri(1 - interval.alpha / 2))


def _estimate(method: Method, weighted: Weighted, value: float, reach: float, interval: Interval) -> Estimate:
    return Estimate(
        method=method,
        value=value,
        low=value - reach,
        high=value + reach,
        n=len(weighted.weights),
        effective=effective_sample_size(weighted.weights),
        mean_weight=weighted.mean,
        largest_weight=float(weighted.weights.max()),
        clipped=float(weighted.cut.mean()),
        interval=interval,
        warnings=tuple(_warnings(weighted, interval)),
    )


def _warnings(weighted: Weighted, interval: Interval) -> list[str]:
    weights, found = weighted.weights, []
    effective, share = effective_sample_size(weights), float(weights.max() / weights.sum())
    if interval.kind == "normal" and effective < ENOUGH:
        found.append(
            f"the effective sample size is {effective:.0f} of {len(weights)} rows: the normal interval may be too "
            f"narrow; use a bernstein one, or a longer log"
        )
    if share > _LARGEST_SHARE:
        found.append(f"one row carries {share:.0%} of all weight: cut weights with `clip`, or use a longer log")
    if abs(weighted.mean - 1) > _ERRORS * weighted.error + 1e-9:
        found.append(
            f"the weights average {weighted.mean:.2f}, which is not 1: the log lacks arms that the target would take, "
            "or its propensities are not those that the arms were chosen with"
        )
    if weighted.cut.any():
        share = float(weighted.cut.mean())
        found.append(f"{share:.1%} of weights were cut: the value and its interval leave out what they held")
    return found
