"""What a look at many columns together found; the same for every method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

Method = Literal["adversarial", "pca", "autoencoder", "embedding"]


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A column and its share of the change, 0 to 1; the shares of a report's causes add up to 1."""

    name: str
    share: float


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A column that took no part, and why."""

    name: str
    problem: str


class JointDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Reference against current, many columns together.

    `score`: size of the effect beyond chance, 0 to 1. `statistic`: on the method's own scale (AUC; standardised
    difference of mean errors; squared maximum mean discrepancy). `p_value`: chance of such a statistic while nothing
    changes; never below `smallest_p`, which the number of permutations and of independent blocks of rows sets.
    `triggered`: `p_value` is at most `alpha` and `score` at least `floor`. `causes`: columns behind it, the largest
    share first; named only when it triggered. `rows`: compared, of the reference and current. `block`: rows that were
    permuted together. `seconds`: time it took. `problem`: why nothing could be said, empty when something could.
    """

    method: Method
    score: float = 0.0
    statistic: float = 0.0
    p_value: float = 1.0
    smallest_p: float = 1.0
    alpha: float
    floor: float
    triggered: bool = False
    causes: tuple[Cause, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    rows: tuple[int, int] = (0, 0)
    block: int = 0
    seconds: float = 0.0
    problem: str = ""


def shares(weights: Iterable[tuple[str, float]]) -> tuple[Cause, ...]:
    """Causes from weights; those that are not above 0 drop out.

    >>> [(cause.name, cause.share) for cause in shares([("a", 1.0), ("b", -2.0), ("c", 3.0)])]
    [('c', 0.75), ('a', 0.25)]
    """
    found = sorted(((name, weight) for name, weight in weights if weight > 0), key=lambda pair: (-pair[1], pair[0]))
    total = sum(weight for _, weight in found)
    return tuple(Cause(name=name, share=weight / total) for name, weight in found)
