"""Did the variants get the shares of traffic that they were meant to get? Checked at every look.

A comparison of split traffic is void when the split itself is wrong, such as when one variant loses requests.

Source: Lindon and Malek, "Anytime-valid inference for multinomial count data" (2022; first as "Sequential testing of
multinomial hypotheses", 2020). A Dirichlet prior around the intended shares makes the likelihood ratio a martingale
under the intended split, so its inverse is a p-value that holds at every look.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from tropism.core.errors import Fault, InvalidInput


class SampleRatio(msgspec.Struct, frozen=True, kw_only=True):
    """`p_value`: smallest over the looks so far. `mismatch`: whether it is below `alpha`."""

    counts: tuple[int, ...]
    expected: tuple[float, ...]
    p_value: float
    alpha: float
    mismatch: bool


def sample_ratio(
    counts: ArrayLike, expected: ArrayLike, *, alpha: float = 0.01, concentration: float = 1_000.0
) -> SampleRatio:
    """Test of the intended shares; over any number of looks a right split is called wrong with probability `alpha`.

    Args:
        counts: units per variant, shape (k,), or cumulated at each look so far, shape (looks, k).
        expected: intended weight of each variant, shape (k,); any positive scale.
        concentration: units' worth of belief in the intended shares; higher finds smaller mismatches later.

    Raises:
        InvalidInput: weights that are not positive, counts that are negative or of another shape.

    >>> sample_ratio([5_000, 5_020], [1, 1]).mismatch, sample_ratio([5_000, 5_600], [1, 1]).mismatch
    (False, True)
    """
    weights = np.asarray(expected, dtype=np.float64)
    if weights.ndim != 1 or not (np.isfinite(weights) & (weights > 0)).all():
        raise InvalidInput("every variant needs a share", Fault("expected", str(expected), "use positive weights"))
    shares = weights / weights.sum()
    table = np.atleast_2d(np.asarray(counts, dtype=np.float64))
    if table.ndim != 2 or table.shape[1] != len(shares) or not (table >= 0).all():
        fix = f"give {len(shares)} counts of 0 or more for each look"
        raise InvalidInput("counts do not match the variants", Fault("counts", f"shape {table.shape}", fix))
    prior = concentration * shares
    total = table.sum(axis=1)
    log_ratio = (
        gammaln(concentration)
        - gammaln(concentration + total)
        + (gammaln(prior + table) - gammaln(prior) - table * np.log(shares)).sum(axis=1)
    )
    p_value = float(min(1.0, np.exp(-log_ratio.max(initial=0.0))))
    last = table[-1] if len(table) else np.zeros(len(shares))
    return SampleRatio(
        counts=tuple(int(count) for count in last),
        expected=tuple(float(share) for share in shares),
        p_value=p_value,
        alpha=alpha,
        mismatch=p_value < alpha,
    )
