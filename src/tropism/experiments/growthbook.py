"""Where a unit stands, as GrowthBook's SDKs have it, so that a client with one of them and this server agree.

Source: GrowthBook's "Build Your Own SDK" (spec 0.7.1), the sections on hashing, bucket ranges and namespaces, with the
test cases that all of its SDKs share (`cases.json`). FNV-1a, 32 bits, over UTF-16 code units as in JavaScript (Fowler,
Noll and Vo; draft-eastlake-fnv).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from math import isfinite

Range = tuple[float, float]
OFFSET = 0x811C9DC5
PRIME = 0x01000193
MASK = 0xFFFFFFFF


def fnv1a(text: str, state: int = OFFSET) -> int:
    """FNV-1a of a text, 32 bits; `state`: that of what comes before it.

    >>> fnv1a("a"), fnv1a("ab") == fnv1a("b", fnv1a("a"))
    (3826002220, True)
    """
    for unit in code_units(text):
        state = (state ^ unit) * PRIME & MASK
    return state


def code_units(text: str) -> Iterable[int]:
    """The UTF-16 code units of a text.

    >>> list(code_units("aé")), len(list(code_units(chr(0x1F600))))
    ([97, 233], 2)
    """
    if text.isascii():
        return text.encode()
    data = text.encode("utf-16-le", "surrogatepass")
    return struct.unpack(f"<{len(data) // 2}H", data)


def hash_value(seed: str, value: str, version: int) -> float | None:
    """Where a unit stands, in [0, 1): in thousandths for version 1, in ten-thousandths for version 2. None for others.

    >>> hash_value("", "a", 1), hash_value("seed", "a", 2), hash_value("seed", "a", 3)
    (0.22, 0.0505, None)
    """
    if version == 2:
        return fnv1a(str(fnv1a(seed + value))) % 10_000 / 10_000
    return fnv1a(value + seed) % 1_000 / 1_000 if version == 1 else None


def in_range(place: float, span: Range) -> bool:
    """Whether a place is in a range; the end is not part of it.

    >>> in_range(0.0, (0.0, 0.5)), in_range(0.5, (0.0, 0.5))
    (True, False)
    """
    return span[0] <= place < span[1]


def choose_variation(place: float, ranges: Sequence[Range]) -> int:
    """Number of the first range that a place is in, from 0; -1 for none.

    >>> choose_variation(0.6, [(0.0, 0.25), (0.5, 0.75)]), choose_variation(0.3, [(0.0, 0.25), (0.5, 0.75)])
    (1, -1)
    """
    for index, span in enumerate(ranges):
        if in_range(place, span):
            return index
    return -1


def get_equal_weights(variations: int) -> list[float]:
    """As many equal shares.

    >>> get_equal_weights(2), get_equal_weights(-1)
    ([0.5, 0.5], [])
    """
    return [1 / variations] * variations if variations > 0 else []


def get_bucket_ranges(variations: int, coverage: float = 1.0, weights: Sequence[float] | None = None) -> list[Range]:
    """The range of each variation: laid end to end by weight, the first `coverage` of each in use.

    As in the SDKs, coverage is cut to 0..1, and weights that are too few or many, negative or far from 1 together
    count as equal: what is stored has been checked before. More coverage moves nobody.

    >>> get_bucket_ranges(2, 0.5), get_bucket_ranges(2, 1.0, [0.4, 0.6])
    ([(0.0, 0.25), (0.5, 0.75)], [(0.0, 0.4), (0.4, 1.0)])
    """
    covered = min(max(coverage, 0.0), 1.0)
    shares = weights if weights is not None and _whole(weights, variations) else get_equal_weights(variations)
    ranges, reached = [], 0.0
    for share in shares:
        ranges.append((reached, reached + covered * share))
        reached += share
    return ranges


def in_namespace(unit: str, namespace: tuple[str, float, float]) -> bool:
    """Whether a unit is in the range of a namespace: its name, start and end.

    >>> in_namespace("1", ("namespace1", 0.4, 1.0)), in_namespace("1", ("namespace1", 0.0, 0.4))
    (True, False)
    """
    name, start, end = namespace
    return in_range(fnv1a(f"{unit}__{name}") % 1_000 / 1_000, (start, end))


def _whole(weights: Sequence[float], variations: int) -> bool:
    valid = len(weights) == variations and all(isfinite(weight) and weight >= 0 for weight in weights)
    return valid and 0.99 <= sum(weights) <= 1.01
