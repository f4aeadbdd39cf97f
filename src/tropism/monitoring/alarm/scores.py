"""What is looked for in the counts of one column: functions of the bin whose mean must stay what it was.

Numbers: the first four orthonormal polynomials of the rank, which see a shift of location, of spread, and of shape,
as in Neyman's smooth test ("Smooth test for goodness of fit", 1937), and the shares of missing values and of values
beyond the reference. Categories: the share of each of the commonest, of the others that were seen, and of those that
were not. All have mean 0 and variance 1 under the reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tropism.monitoring.counts.binning import Binning

Floats = NDArray[np.float64]
_SHAPES = (("location", 0.25, 0.25), ("spread", 0.09, 0.06), ("skew", 0.03, 0.03), ("tails", 0.03, 0.03))
"""Weights of a rise and of a fall; all weights of a column are made to sum to 1."""
_MISSING, _BELOW, _ABOVE = ("missing", 0.08, 0.02), ("below", 0.06, 0.0), ("above", 0.06, 0.0)
_OTHER, _REST, _CATEGORIES = ("other", 0.1, 0.03), ("rest", 0.05, 0.05), (0.4, 0.27)
_RARE = 1e-3
"""A bin that the reference hardly has counts as if it had this share: what is seldom may come a little more often."""
_MAY_VANISH = 5e-3
_HARDLY_ANY = 0.99
MOST_CATEGORIES = 7


class _Part(NamedTuple):
    values: Floats
    base: Floats
    up: float
    down: float
    name: str
    members: NDArray[np.bool_]


class Scores(NamedTuple):
    """`values` of each bin under k scores, shape (k, b); `base`: probabilities of the bins that each is tested
    against, (k, b); `weights` of a rise and of a fall, (k, 2), in all 1; `names` say what a rise of each is. `members`:
    the bins whose share a score is, (k, b); none where it is no share."""

    values: Floats
    base: Floats
    weights: Floats
    names: tuple[str, ...]
    members: NDArray[np.bool_]


def smoothed(counts: Floats) -> Floats:
    """Probabilities of the bins; none is 0."""
    return np.asarray((counts + 0.5) / (counts.sum() + 0.5 * len(counts)), dtype=np.float64)


def scores_of(binning: Binning, counts: Floats) -> Scores:
    """The scores of a column, from the reference's counts (b,)."""
    share = smoothed(counts)
    last, bins = binning.size - 1, np.arange(binning.size)
    if binning.kind == "number":
        beyond = ((last, _MISSING), (0, _BELOW), (last - 1, _ABOVE)) if binning.edges else ((last, _MISSING),)
        return _stacked([*_shapes(share), *(_share_of(share, bins == at, named) for at, named in beyond)])
    named = min(len(binning.names), MOST_CATEGORIES)
    up, down = (weight / max(named, 1) for weight in _CATEGORIES)
    parts = [_share_of(share, bins == at, (f"'{binning.names[at]}'", up, down)) for at in range(named)]
    if len(binning.names) > named:
        parts.append(_share_of(share, (bins >= named) & (bins < last - 1), _REST))
    parts += [_share_of(share, bins == last - 1, _OTHER), _share_of(share, bins == last, _MISSING)]
    return _stacked(parts)


def mean_score(values: Floats, counts: Floats) -> Scores:
    """The mean of `values`, one of each bin (b,), of which only a rise is looked for."""
    share = smoothed(counts)
    centred = values - share @ values
    deviation = float(np.sqrt(share @ centred**2))
    return Scores(
        (centred / deviation)[None, :],
        share[None, :],
        np.array([[1.0, 0.0]]),
        ("mean",),
        np.zeros((1, len(share)), bool),
    )


def _shapes(share: Floats) -> list[_Part]:
    """Polynomials of the rank of what is not missing, as many as there are bins to tell them apart."""
    known = share[:-1] / share[:-1].sum()
    rank = np.cumsum(known) - known / 2
    degree = min(len(_SHAPES), int((known > _RARE).sum()) - 1)
    if degree < 1 or share[-1] > _HARDLY_ANY:
        return []
    powers = np.vander(2 * rank - 1, degree + 1, increasing=True) * np.sqrt(known)[:, None]
    basis, triangle = np.linalg.qr(powers)
    shapes = (basis / np.sqrt(known)[:, None] * np.sign(np.diag(triangle))).T[1:] / np.sqrt(1 - share[-1])
    return [
        _Part(np.append(values, 0.0), share, up, down, name, np.zeros(len(share), bool))
        for values, (name, up, down) in zip(shapes, _SHAPES, strict=False)
    ]


def _share_of(share: Floats, members: NDArray[np.bool_], named: tuple[str, float, float]) -> _Part:
    name, up, down = named
    seen = float(share[members].sum())
    expected = min(max(seen, _RARE), 1 - _RARE)
    base = share * np.where(members, expected / seen, (1 - expected) / (1 - seen))
    values = np.where(members, 1 - expected, -expected) / np.sqrt(expected * (1 - expected))
    return _Part(values, base, up, down if seen >= _MAY_VANISH else 0.0, name, members)


def _stacked(parts: list[_Part]) -> Scores:
    weights = np.array([(part.up, part.down) for part in parts])
    return Scores(
        np.array([part.values for part in parts]),
        np.array([part.base for part in parts]),
        weights / weights.sum(),
        tuple(part.name for part in parts),
        np.array([part.members for part in parts]),
    )
