"""What figures of several runs say: correlations that chance does not explain, and paired differences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from tropism.experiments.dependence import inflation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEWEST_RUNS = 8
FEWEST_ROWS = 30
_PERMUTATIONS = 20_000
_CHUNK = 1_000
_SEED = 20_240_601


class Correlation(msgspec.Struct, frozen=True, kw_only=True):
    """Spearman's rank correlation of a parameter and a metric over `n` runs.

    `p`: two-sided, by permuting runs; `adjusted`: by Holm over all pairs that were looked at. Both are None with
    fewer than 8 runs: too few to tell a correlation from chance.
    """

    param: str
    metric: str
    n: int
    value: float
    p: float | None
    adjusted: float | None


class PairedDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Mean loss of `a` less that of `b` on the same `rows`, below 0 where `a` is better. `low` and `high`: an interval
    that holds with 95% for all pairs of the comparison together."""

    a: str
    b: str
    metric: str
    rows: int
    value: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        return self.high < 0.0 or self.low > 0.0


def correlations(params: Mapping[str, Sequence[float]], metrics: Mapping[str, Sequence[float]]) -> list[Correlation]:
    """Each parameter with each metric: values of the same runs in the same order, none missing.

    Parameters and metrics that are the same in all runs are left out. Spearman, Am. J. Psychol. 15, 1904; Holm,
    Scand. J. Stat. 6, 1979. The permutation p-values need no table for ties.
    """
    rows = {name: ranks for name, values in params.items() if (ranks := _standard_ranks(values)) is not None}
    columns = {name: ranks for name, values in metrics.items() if (ranks := _standard_ranks(values)) is not None}
    if not rows or not columns:
        return []
    left, right = np.stack(list(rows.values())), np.stack(list(columns.values()))
    n = left.shape[1]
    observed = left @ right.T
    p = _permuted(left, right, observed) if n >= FEWEST_RUNS else None
    adjusted = holm(p.ravel()).reshape(p.shape) if p is not None else None
    return [
        Correlation(
            param=param,
            metric=metric,
            n=n,
            value=float(np.clip(observed[i, j], -1.0, 1.0)),
            p=None if p is None else float(p[i, j]),
            adjusted=None if adjusted is None else float(adjusted[i, j]),
        )
        for i, param in enumerate(rows)
        for j, metric in enumerate(columns)
    ]


def holm(p: Floats) -> Floats:
    """p-values (n,) adjusted so that any one below 0.05 is wrong with 5% over all together.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def paired(a: str, b: str, metric: str, first: Floats, second: Floats, *, pairs: int) -> PairedDifference | None:
    """The difference of two runs by their losses (n,) on the same rows in order of time; None for fewer than 30 rows.

    `pairs`: how many differences are looked at, which widens each interval (Bonferroni). Dependence between rows near
    each other widens it too (`experiments.dependence`).
    """
    difference = first - second
    n = len(difference)
    if n < FEWEST_ROWS:
        return None
    value = float(difference.mean())
    error = float(difference.std(ddof=1)) * math.sqrt(inflation(difference) / n)
    reach = float(ndtri(1 - 0.025 / max(pairs, 1))) * error
    return PairedDifference(a=a, b=b, metric=metric, rows=n, value=value, low=value - reach, high=value + reach)


def _standard_ranks(values: Sequence[float]) -> Floats | None:
    """Ranks with mean 0 and length 1; None where all are equal."""
    ranks = np.asarray(rankdata(np.asarray(values, dtype=np.float64)), dtype=np.float64)
    centred = ranks - ranks.mean()
    length = float(np.sqrt(centred @ centred))
    return centred / length if length > 0 else None


def _permuted(left: Floats, right: Floats, observed: Floats) -> Floats:
    rng = np.random.default_rng(_SEED)
    reached = np.zeros(observed.shape)
    limit = np.abs(observed) - 1e-12
    for _ in range(_PERMUTATIONS // _CHUNK):
        drawn = rng.permuted(np.tile(np.arange(left.shape[1]), (_CHUNK, 1)), axis=1)
        found = np.einsum("pkn,mn->kpm", left[:, drawn], right, optimize=True)
        reached += (np.abs(found) >= limit).sum(axis=0)
    p: Floats = (reached + 1) / (_PERMUTATIONS + 1)
    return p
