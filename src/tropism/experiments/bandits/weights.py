"""Decisions as they were logged, and how much each counts for another policy: its importance weight."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tropism.core.errors import Fault, InvalidInput

Floats = NDArray[np.float64]


class Logged(NamedTuple):
    """n decisions with their rewards, each of shape (n,). `propensities`: as logged when the decision was made."""

    arms: ArrayLike
    rewards: ArrayLike
    propensities: ArrayLike


class Weighted(NamedTuple):
    """`weights`: probability of the logged arm under the target policy over that under the logging one, at most
    `clip`, (n,). `cut`: which were larger. `mean`, `error`: of the weights before, and the standard error of that."""

    arms: NDArray[np.int64]
    rewards: Floats
    target: Floats
    weights: Floats
    cut: NDArray[np.bool_]
    mean: float
    error: float


def effective_sample_size(weights: ArrayLike) -> float:
    """(sum w)^2 / sum w^2: how many rows of equal weight would say as much (Kish, Survey Sampling, 1965).

    >>> effective_sample_size([1.0, 1.0, 0.0, 0.0]), effective_sample_size([0.0])
    (2.0, 0.0)
    """
    values = np.asarray(weights, dtype=np.float64)
    squares = float(values @ values)
    return float(values.sum()) ** 2 / squares if squares > 0 else 0.0


def weigh(logged: Logged, target: ArrayLike, clip: float | None = None) -> Weighted:
    """The weights of logged decisions for a policy with these probabilities of each arm, shape (n, k).

    Raises:
        InvalidInput: shapes that do not match, fewer than two rows, rewards that are not finite, no such arm,
            propensities not above 0 and at most 1, rows of `target` that are not probabilities, a target that never
            takes an arm that was logged, or a `clip` that is not positive.
    """
    table = _probabilities(target)
    n, k = table.shape
    arms = np.asarray(logged.arms)
    rewards, propensities = _row("rewards", logged.rewards, n), _row("propensities", logged.propensities, n)
    if arms.shape != (n,) or not np.issubdtype(arms.dtype, np.integer):
        raise InvalidInput("arms do not match", Fault("arms", f"shape {arms.shape}", f"give {n} whole numbers"))
    for place in np.flatnonzero((arms < 0) | (arms >= k))[:1]:
        raise InvalidInput("there is no such arm", Fault(f"arms[{place}]", str(arms[place]), f"use 0 to {k - 1}"))
    _check_propensities(propensities)
    if clip is not None and not clip > 0:
        raise InvalidInput("weights cannot be cut there", Fault("clip", str(clip), "use a positive number"))
    weights = table[np.arange(n), arms] / propensities
    if not weights.any():
        fix = "estimate a policy that takes some of the logged arms"
        raise InvalidInput("the log says nothing about this policy", Fault("target", "0 for every logged arm", fix))
    cut = weights > (np.inf if clip is None else clip)
    kept = np.where(cut, clip, weights) if clip is not None else weights
    error = float(weights.std(ddof=1)) / n**0.5
    return Weighted(arms.astype(np.int64), rewards, table, kept, cut, float(weights.mean()), error)


def _check_propensities(propensities: Floats) -> None:
    wrong = np.flatnonzero(~((propensities > 0) & (propensities <= 1)))
    if not len(wrong):
        return
    share, zeros = len(wrong) / len(propensities), int((propensities == 0).sum())
    said = f"{share:.1%} of propensities are not above 0 and at most 1, {zeros} of them 0"
    fix = "log the probability that the arm was chosen with, and let the policy `explore`"
    raise InvalidInput(said, Fault(f"propensities[{wrong[0]}]", str(propensities[wrong[0]]), fix))


def _probabilities(target: ArrayLike) -> Floats:
    table = np.asarray(target, dtype=np.float64)
    if table.ndim != 2 or len(table) < 2 or not table.shape[1]:
        fix = "give the probability of each arm in each of two or more decisions, shape (n, k)"
        raise InvalidInput("not a policy's probabilities", Fault("target", f"shape {table.shape}", fix))
    good = (table >= 0).all(axis=1) & (np.abs(table.sum(axis=1) - 1) <= 1e-6)
    for place in np.flatnonzero(~good)[:1]:
        fix = "give numbers of 0 or more that add up to 1"
        raise InvalidInput("not a policy's probabilities", Fault(f"target[{place}]", str(table[place].tolist()), fix))
    return table


def _row(field: str, values: ArrayLike, n: int) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (n,):
        fault = Fault(field, f"shape {array.shape}", f"give one for each row of target, shape ({n},)")
        raise InvalidInput(f"{field} do not match", fault)
    for place in np.flatnonzero(~np.isfinite(array))[:1]:
        raise InvalidInput(f"{field} are not finite", Fault(f"{field}[{place}]", str(array[place]), "leave it out"))
    return array
