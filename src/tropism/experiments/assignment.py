"""Which variant a unit sees: a pure function of the experiment, the unit and the weights, the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from math import isfinite

from tropism.core.errors import Fault, InvalidInput


def position(experiment: str, unit: str) -> float:
    """Where a unit stands in an experiment, uniform in [0, 1); independent between experiments.

    >>> position("colour", "user-1") == position("colour", "user-1") != position("size", "user-1")
    True
    """
    digest = hashlib.blake2b(f"{len(experiment)}:{experiment}:{unit}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def assign(experiment: str, unit: str, weights: Mapping[str, float]) -> str:
    """The variant of a unit, each with probability in proportion to its weight.

    Variants are laid end to end in the order of `weights`: growing the last one at the expense of the one before
    moves no other unit.

    Raises:
        InvalidInput: no variant has a positive weight, or a weight is negative or not finite.

    >>> assign("colour", "user-1", {"red": 0, "blue": 1})
    'blue'
    """
    for variant, weight in weights.items():
        if not (isfinite(weight) and weight >= 0):
            raise InvalidInput("not a weight", Fault(f"weights.{variant}", str(weight), "use 0 or a positive number"))
    total = sum(weights.values())
    if not total > 0:
        raise InvalidInput("no variant to assign", Fault("weights", str(dict(weights)), "give one a positive weight"))
    place = position(experiment, unit) * total
    reached = 0.0
    chosen = ""
    for variant, weight in weights.items():
        if weight > 0 and (not chosen or place >= reached):
            chosen = variant
        reached += weight
    return chosen
