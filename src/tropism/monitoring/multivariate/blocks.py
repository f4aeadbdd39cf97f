"""Permutation tests that keep neighbours together, so that dependence between rows is not taken for a change.

While nothing changes, rows of both sides come from one stationary sequence. Neighbours resemble one another, but
stretches much longer than their memory are nearly independent and may change places. Such blocks, not rows, are
dealt to the two sides anew: the block permutation of Kirch, Block Permutation Principles for the Change Analysis of
Dependent Data, J. Stat. Planning and Inference 137, 2007. With J blocks of which L are current there are C(J, L) ways
to deal, so a short or slow sequence cannot give a small p-value, and no p-value is below 1 / (permutations + 1).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from tropism.experiments.dependence import inflation

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]
SPAN = 4.0
"""Rows of a block for each row of memory; means of adjacent blocks of an AR(1) then correlate by 1/8 at most."""
SCALES = (1, 8, 32)
"""Memory is also looked for in means of so many rows, where noise of single rows hides less of it."""
MOST = 200
"""Blocks a side at most: more would change no p-value by much."""
_TIE = 1e-12
_FEWEST_MEANS = 60


class Blocks(NamedTuple):
    """Blocks of both sides: sums of their rows' values (j, d), their rows (j,), and which are current (j,)."""

    sums: Floats
    rows: Floats
    current: NDArray[np.bool_]


class Permuted(NamedTuple):
    """A statistic as observed, and under each permutation (b,)."""

    observed: float
    chance: Floats


def block_length(statistic: tuple[Floats, Floats], columns: tuple[Floats, Floats]) -> int:
    """Rows that belong together: `SPAN` times the longest memory, at least 1.

    `statistic`: what is averaged, (n,) of the reference and (m,) of current, in time order. `columns`: what it was made
    from, (n, width) and (m, width), NaN where missing; their dependence counts too, because that of a statistic that is
    mostly noise hides behind the noise and still widens its mean. A memory is averaged over the two sides by rows.

    >>> steady = np.tile([1.0, -1.0], 50)
    >>> block_length((steady, steady), (steady[:, None], steady[:, None]))
    4
    """
    longest = _memory(statistic, SCALES)
    for index in range(columns[0].shape[1]):
        # Missing values rank below all others.
        sides = [ranks(np.nan_to_num(side[:, index], nan=-np.inf, neginf=-np.inf)) for side in columns]
        longest = max(longest, _memory((sides[0], sides[1]), SCALES[:1]))
    return min(math.ceil(SPAN * longest), max(len(side) for side in statistic))


def cut(reference: Floats, current: Floats, length: int) -> Blocks:
    """Both sides (n, d) and (m, d) in blocks of at least `length` rows; a side shorter than that is one block."""
    parts = [_cut(side, length) for side in (reference, current)]
    sums, rows = (np.concatenate([part[index] for part in parts]) for index in (0, 1))
    return Blocks(sums, rows, np.arange(len(rows)) >= len(parts[0][1]))


def cut_ranks(reference: Floats, current: Floats, length: int) -> Blocks:
    """As `cut`, of the ranks of values (n,) and (m,) among both sides, so scaled that `difference` is AUC - 1/2."""
    both = ranks(np.concatenate([reference, current]))[:, None]
    return cut(both[: len(reference)], both[len(reference) :], length)


def difference(parts: Sequence[Blocks], permutations: int, seed: int) -> Permuted:
    """Mean of current less mean of reference, of values with d = 1, averaged over parts permuted each by itself."""
    rng = np.random.default_rng(seed)
    found = np.zeros(permutations + 1)
    for blocks in parts:
        dealt, scale = _dealt(blocks, permutations, rng)
        found += (dealt @ _centred(blocks)[:, 0]) * scale / len(parts)
    return Permuted(float(found[0]), found[1:])


def squared_distance(blocks: Blocks, permutations: int, seed: int) -> Permuted:
    """Squared Euclidean distance between the means (d,) of the two sides."""
    dealt, scale = _dealt(blocks, permutations, np.random.default_rng(seed))
    centred = _centred(blocks)
    found = np.einsum("bj,bj->b", dealt @ (centred @ centred.T), dealt) * scale**2
    return Permuted(float(found[0]), found[1:])


def ranks(values: Floats) -> Floats:
    """Ranks of values (n,) over n, ties at their mean."""
    return np.asarray(rankdata(values) / len(values), np.float64)


def beyond_chance(squared: Permuted) -> float:
    """The distance that is left of a squared one when its mean under permutation is taken off."""
    return math.sqrt(max(0.0, squared.observed - float(squared.chance.mean())))


def p_value(permuted: Permuted) -> float:
    """Share of permutations, the observed one among them, that reach the statistic."""
    reached = int(np.sum(permuted.chance >= permuted.observed - _TIE))
    return (1 + reached) / (1 + len(permuted.chance))


def smallest_p(parts: Sequence[Blocks], permutations: int) -> float:
    """Least p-value that these blocks and so many permutations can give."""
    ways = math.prod(math.comb(len(blocks.rows), int(blocks.current.sum())) for blocks in parts)
    return max(1 / ways, 1 / (permutations + 1))


def too_few(least: float, alpha: float) -> str:
    """The problem when no p-value can reach `alpha`, else nothing."""
    return f"too few independent rows: no p-value below {least:.2g} is possible" if least > alpha else ""


def _memory(sides: tuple[Floats, Floats], scales: Sequence[int]) -> float:
    total = sum(len(side) for side in sides)
    return sum(len(side) / total * max(_inflation(side, scale) for scale in scales) for side in sides)


def _inflation(values: Floats, scale: int) -> float:
    """How much dependence widens the variance of the mean; beyond `scale` rows, as means of so many rows show it.

    Their first autocorrelation alone would make it 1 + 2r, and r has a standard error of 1 / sqrt(count) by chance.
    """
    if scale == 1:
        return inflation(values)
    count = len(values) // scale
    if count < _FEWEST_MEANS:
        return 1.0
    found = inflation(values[: count * scale].reshape(count, scale).mean(axis=1))
    return 1 + scale * max(0.0, found - 1 - 2 / math.sqrt(count))


def _cut(values: Floats, length: int) -> tuple[Floats, Floats]:
    count = min(max(1, len(values) // length), MOST)
    edges = np.linspace(0, len(values), count + 1).astype(np.int64)
    return np.add.reduceat(values, edges[:-1], axis=0), np.diff(edges).astype(np.float64)


def _centred(blocks: Blocks) -> Floats:
    mean = blocks.sums.sum(axis=0) / blocks.rows.sum()
    centred: Floats = blocks.sums - blocks.rows[:, None] * mean
    return centred


def _dealt(blocks: Blocks, permutations: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Which blocks are current (b + 1, j), first as observed; and what makes their centred sums differences of means.

    With centred sums the two sides' sums are opposite, so one of them is enough.
    """
    chosen = np.tile(blocks.current.astype(np.float64), (permutations + 1, 1))
    chosen[1:] = rng.permuted(chosen[1:], axis=1)
    now = chosen @ blocks.rows
    return chosen, 1 / now + 1 / (blocks.rows.sum() - now)
