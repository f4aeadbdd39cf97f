"""Who gets which share of a rollout: the same unit always the same, in whatever process and language asks."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from tropism.experiments.places import PLACES, Places

if TYPE_CHECKING:
    from collections.abc import Mapping


class Rollout:
    """Variants by share, in the order given: growing the first moves nobody out of it.

    A unit stands where `growthbook.hash_value` of version 2 puts it.

    >>> Rollout("new-checkout", {"on": 0.5, "off": 0.5}).of("user-7")
    'off'
    """

    def __init__(self, seed: str, shares: Mapping[str, float]) -> None:
        self._place = Places(seed).of
        kept = {name: share for name, share in shares.items() if share > 0}
        self._variants = tuple(kept)
        self._bounds = tuple(round(bound, 9) for bound in accumulate(kept.values()))[:-1]

    def of(self, unit: str) -> str:
        """The variant of a unit."""
        return self._variants[bisect_right(self._bounds, self._place(unit) / PLACES)]
