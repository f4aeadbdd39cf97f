"""Did the variants of a bandit get the shares that they were meant to get, while these moved?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from tropism.experiments.sample_ratio import SampleRatio

_CONCENTRATION = 1_000.0


def shares_ratio(counts: ArrayLike, shares: ArrayLike, *, alpha: float = 0.01) -> SampleRatio:
    """The check of `sample_ratio`, over revisions with shares of their own.

    Each revision's likelihood ratio is a martingale under its shares, so their product is one: the p-value holds at
    every look, over all revisions together.

    Args:
        counts: units of each variant in each revision, shape (revisions, k).
        shares: those that they should have had, of the same shape.

    >>> shares_ratio([[500, 510], [800, 190]], [[0.5, 0.5], [0.8, 0.2]]).mismatch
    False
    >>> shares_ratio([[500, 510], [500, 490]], [[0.5, 0.5], [0.8, 0.2]]).mismatch
    True
    """
    table, wanted = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    prior = _CONCENTRATION * wanted
    total = table.sum(axis=1)
    log_ratio = gammaln(_CONCENTRATION) - gammaln(_CONCENTRATION + total)
    log_ratio = log_ratio + (gammaln(prior + table) - gammaln(prior) - table * np.log(wanted)).sum(axis=1)
    p_value = float(np.exp(-max(float(log_ratio.sum()), 0.0)))
    units = max(float(total.sum()), 1.0)
    expected = (wanted * total[:, None]).sum(axis=0) / units if total.any() else wanted[-1]
    return SampleRatio(
        counts=tuple(int(count) for count in table.sum(axis=0)),
        expected=tuple(float(share) for share in expected),
        p_value=p_value,
        alpha=alpha,
        mismatch=p_value < alpha,
    )
