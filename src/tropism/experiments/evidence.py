"""What a decision between two models rests on, as it is stored and shown."""

from __future__ import annotations

from math import isclose
from typing import Literal

import msgspec

Verdict = Literal["better", "worse", "undecided"]
Waiting = Literal["", "outcomes", "events", "labels", "evidence"]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `comparison.compare`, with its parameters. Losses are lower-is-better.

    `estimate`: mean loss of the incumbent minus that of the challenger. `lower` and `upper`: its bounds, each wrong
    with probability `alpha` over all looks; None while no bound can be relied on. `events`: predictions that carry
    the comparison, (sum D^2)^2 / sum D^4: the disagreements where losses are 0 and 1, and fewer than `n` where a few
    large differences make up most of the total. `rare`: outcomes outside the commonest label, None without labels.
    `days`: exposure days, None when not given. `bounded`: whether a bound on the differences was given.
    `waiting_for`: what keeps the verdict open: too few outcomes, events or rare labels, or too weak evidence.
    """

    n: int
    estimate: float
    lower: float | None
    upper: float | None
    verdict: Verdict
    waiting_for: Waiting
    incumbent: float
    challenger: float
    deviation: float
    skewness: float
    inflation: float
    events: int
    rare: int | None
    days: int | None
    bounded: bool
    alpha: float
    margin: float
    min_outcomes: int
    plan: int

    def agrees(self, other: Evidence, tolerance: float = 1e-9) -> bool:
        """Whether the two say the same, up to rounding: the check of a decision that was computed again."""
        theirs = msgspec.structs.asdict(other)
        return all(_same(value, theirs[name], tolerance) for name, value in msgspec.structs.asdict(self).items())


def _same(mine: object, theirs: object, tolerance: float) -> bool:
    if isinstance(mine, float) and isinstance(theirs, float):
        return isclose(mine, theirs, rel_tol=tolerance, abs_tol=tolerance)
    return mine == theirs
