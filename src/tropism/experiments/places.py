"""GrowthBook's second hash, made ready for one seed: the same numbers as `growthbook.hash_value`, sooner.

The state after the seed is kept. The second round runs over the decimal digits of the first one's result; these come
from tables, three at a time: FNV-1a changes the lowest byte of its state by XOR and multiplies, so from state s, with
lowest byte l, a group of k characters leads to s * PRIME**k + d, where d depends on l and the group only.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tropism.experiments.growthbook import MASK, OFFSET, PRIME, code_units, fnv1a

PLACES = 10_000
_CUBE = PRIME**3 & MASK
_MILLION = 1_000_000
_ROWS = 65_536
_LONGEST = 128
Words = NDArray[np.uint32]


class Places:
    """Where units stand, 0 to 9,999, for one seed.

    >>> places = Places("seed")
    >>> places.of("a"), places.of_many(["a", "b"]).tolist()
    (505, [505, 2696])
    """

    __slots__ = ("_first", "_rest", "_seed", "_start")

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._start = fnv1a(seed)
        self._first, self._rest = _digits()

    def of(self, unit: str) -> int:
        """Of one unit."""
        state = self._start
        for byte in unit.encode() if unit.isascii() else code_units(unit):
            state = (state ^ byte) * PRIME & MASK
        if state < _MILLION:
            return fnv1a(str(state)) % PLACES
        rest = self._rest
        second = self._first[state // _MILLION]
        second = second * _CUBE + rest[(second & 255) * 1_000 + state // 1_000 % 1_000]
        return (second * _CUBE + rest[(second & 255) * 1_000 + state % 1_000] & MASK) % PLACES

    def of_many(self, units: Sequence[str]) -> NDArray[np.int64]:
        """Of as many units, shape (n,)."""
        return np.asarray(_of_numbers(fnv1a_many(units, self._seed)) % PLACES, dtype=np.int64)


def fnv1a_many(texts: Sequence[str], before: str = "", after: str = "") -> Words:
    """FNV-1a of each text, with one text before and one after it. Shape (n,).

    >>> fnv1a_many(["b", ""], "a").tolist() == [fnv1a("ab"), fnv1a("a")]
    True
    """
    start, found = fnv1a(before), np.empty(len(texts), dtype=np.uint32)
    for first in range(0, len(texts), _ROWS):
        found[first : first + _ROWS] = _states(texts[first : first + _ROWS], start)
    for unit in code_units(after):
        found = (found ^ np.uint32(unit)) * np.uint32(PRIME)
    return found


def _states(texts: Sequence[str], start: int) -> Words:
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    table = np.array([text[:_LONGEST] for text in texts], dtype=f"U{max(1, min(int(lengths.max()), _LONGEST))}")
    letters = table.view(np.uint32).reshape(len(texts), -1)
    state = np.full(len(texts), start, dtype=np.uint32)
    for column in range(letters.shape[1]):
        state = np.where(column < lengths, (state ^ letters[:, column]) * np.uint32(PRIME), state)
    for row in np.flatnonzero((lengths > _LONGEST) | (letters.max(axis=1) > 0xFFFF)).tolist():
        state[row] = fnv1a(texts[row], start)
    return state


def _of_numbers(numbers: Words) -> Words:
    """FNV-1a of each number as it is written in decimal."""
    state = np.full(len(numbers), OFFSET, dtype=np.uint32)
    for power in range(9, -1, -1):
        digit = numbers // np.uint32(10**power) % np.uint32(10) + np.uint32(ord("0"))
        written = (numbers >= 10**power) | (power == 0)
        state = np.where(written, (state ^ digit) * np.uint32(PRIME), state)
    return state


class _Digits(NamedTuple):
    """`first`: state after the digits of a number, without leading zeros; `rest`: what three more digits add, by the
    lowest byte of the state before them, then by their value."""

    first: list[int]
    rest: array[int]


@cache
def _digits() -> _Digits:
    lowest = np.arange(256, dtype=np.uint32)[:, None]
    group = np.arange(1_000, dtype=np.uint32)[None, :]
    state = np.broadcast_to(lowest, (256, 1_000))
    for power in (100, 10, 1):
        state = (state ^ (group // np.uint32(power) % np.uint32(10) + np.uint32(ord("0")))) * np.uint32(PRIME)
    rest = array("I", (state - lowest * np.uint32(_CUBE)).tobytes())
    return _Digits([fnv1a(str(number)) for number in range(MASK // _MILLION + 1)], rest)
