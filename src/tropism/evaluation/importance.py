"""How much a fixed model relies on each column: the loss that permuting it adds, with an interval.

Breiman, Random Forests, Machine Learning 45, 2001; Fisher, Rudin, Dominici, All Models Are Wrong, but Many Are
Useful, JMLR 20, 2019, whose model reliance, as a difference, is what is estimated here: the expected loss when a row's
column comes from another row, drawn independently, less the expected loss as it is.

Nothing is conditioned on: a permuted row may be one that never occurs, and columns that carry the same information
share their importance, since the model can read it from either. Permute such columns together (`correlated`).

The rows are put in a random order, and in permutation k each takes the values of the row k places further on, so
that no row keeps its own, and every row takes from and gives to `permutations` others (fewer if there are fewer
than twice as many others), never the same pair twice. The mean difference T of the losses is an incomplete
U-statistic of degree 2, and unbiased. Let p[i] be the mean difference of row i where it takes plus where it gives
(less T): the rows' influence. With K permutations, n rows, and V the variance of all nK differences, Hoeffding's
decomposition (Ann. Math. Stat. 19, 1948) gives var(T) = (var(p) - V / K) / n to first order: p holds the
permutations' noise once too often, by V / K. It is not taken below V / (nK), which is what remains when no row's
expected difference differs from another's. Intervals are normal, each alone at 95%.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from tropism.core.errors import Fault, InvalidInput
from tropism.evaluation.intervals import Interval, mean, normal
from tropism.evaluation.losses import losses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tropism.evaluation.losses import Floats

FEWEST = 3
"""Rows of which each can take a value from another that does not take its own."""
ALIKE = 0.9
"""Columns are taken for alike when the size of their rank correlation exceeds this."""


class Reliance(NamedTuple):
    """`loss`: mean loss on the rows as they are. `added`: what permuting each group of columns adds to it."""

    loss: Interval
    added: tuple[Interval, ...]


def permutation_importance(
    metric: str,
    labels: Floats,
    matrix: Floats,
    score: Callable[[Floats], Floats],
    groups: Sequence[Sequence[int]] | None = None,
    *,
    permutations: int = 10,
    seed: int = 0,
    inflation: Callable[[Floats], float] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Reliance:
    """Mean increase of a loss when groups of columns are permuted, each with its 95% interval, as told above.

    Parameters: `labels` (n,) as `losses` takes them. `matrix` (n, width). `score` gives scores (n, outputs) of such a
    matrix; row i is always row i, with the columns of one group from another row. `groups`: numbers of columns that
    are permuted together, each column alone by default. `inflation`: how much larger the variance of the mean of
    values (n,) in the rows' order is than that of independent ones; 1 without it. `progress` is told a share.

    Raises:
        InvalidInput: fewer than three rows, or shapes or numbers that do not fit.

    >>> rng = np.random.default_rng(0)
    >>> matrix = rng.normal(size=(400, 2))
    >>> found = permutation_importance("mse", matrix[:, 0], matrix, lambda rows: rows[:, :1])
    >>> found.loss.value, found.added[0].low < 2 < found.added[0].high, found.added[1].value
    (0.0, True, 0.0)
    """
    _check(labels, matrix, permutations)
    own = losses(metric, labels, score(matrix))
    units = [[column] for column in range(matrix.shape[1])] if groups is None else [list(group) for group in groups]
    givers = _givers(len(labels), permutations, seed)
    added = []
    work = np.array(matrix, np.float64)
    for done, columns in enumerate(units):
        differences = np.empty(givers.shape)
        for index, rows in enumerate(givers):
            work[:, columns] = matrix[np.ix_(rows, columns)]
            differences[index] = losses(metric, labels, score(work)) - own
            if progress is not None:
                progress((done + (index + 1) / len(givers)) / len(units))
        work[:, columns] = matrix[:, columns]
        added.append(_interval(differences, givers, inflation))
    return Reliance(mean(own, 0.0), tuple(added))


def correlated(matrix: Floats, columns: Sequence[int], least: float = ALIKE) -> list[list[int]]:
    """Groups of those `columns` of a matrix (n, width) whose Spearman rank correlation exceeds `least` in size.

    A column belongs to a group when it correlates with any of its members. Missing values (NaN) share one rank, above
    all others. Every column is in one group, alone if need be; groups come in the order of their first columns.

    >>> x = np.arange(9.0)
    >>> correlated(np.stack([x, x % 2, -(x**3)], axis=1), [0, 1, 2])
    [[0, 2], [1]]
    """
    if not columns:
        return []
    ranks = np.stack([_ranks(matrix[:, column]) for column in columns])
    sizes = np.sqrt(np.sum(ranks**2, axis=1))
    ranks /= np.where(sizes > 0, sizes, 1.0)[:, None]
    alike = np.abs(ranks @ ranks.T) > least
    left, groups = list(range(len(columns))), []
    while left:
        group = [left.pop(0)]
        for member in group:  # grows while it is gone through
            near = [other for other in left if alike[member, other]]
            group += near
            left = [other for other in left if other not in near]
        groups.append([columns[index] for index in sorted(group)])
    return groups


def _check(labels: Floats, matrix: Floats, permutations: int) -> None:
    if matrix.ndim != 2 or len(matrix) != len(labels):
        shown = f"matrix {matrix.shape}, labels {labels.shape}"
        raise InvalidInput("rows and labels do not line up", Fault("matrix", shown, "give (n, width) and (n,)"))
    if len(labels) < FEWEST:
        fix = f"give at least {FEWEST}"
        raise InvalidInput("there are too few rows to permute", Fault("rows", str(len(labels)), fix))
    if permutations < 2:
        raise InvalidInput("there are too few permutations", Fault("permutations", str(permutations), "use 2 or more"))


def _givers(rows: int, permutations: int, seed: int) -> npt.NDArray[np.int64]:
    """The row (k, n) whose values each row takes, in each permutation.

    The distances stay below half the rows, so that no two rows exchange values both ways: the noise of such a pair
    would count twice.
    """
    order = np.random.default_rng(seed).permutation(rows)
    found = np.empty((min(permutations, (rows - 1) // 2), rows), np.int64)
    for index in range(len(found)):
        found[index, order] = np.roll(order, -(index + 1))
    return found


def _interval(
    differences: Floats, givers: npt.NDArray[np.int64], inflation: Callable[[Floats], float] | None
) -> Interval:
    """The mean of differences (k, n); row `givers[k, i]` gave its values to row i."""
    permutations, rows = differences.shape
    value = float(np.mean(differences))
    influence = np.mean(differences, axis=0) - value
    for taken, given in zip(differences, givers, strict=True):
        influence[given] += taken / permutations
    noise = float(np.var(differences)) / permutations
    factor = 1.0 if inflation is None else inflation(influence)
    variance = max(float(np.var(influence, ddof=1)) * factor - noise, noise) / rows
    return normal(value, math.sqrt(variance))


def _ranks(values: Floats) -> Floats:
    """Ranks, centred, ties at their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts + 1) / 2)[place]
    return ranks - (len(values) - 1) / 2
