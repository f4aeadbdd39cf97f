"""Orders of many whole numbers, by sorting numbers themselves: NumPy does that several times quicker than places."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

_A_THREAD = 1 << 16
"""The fewest numbers that are worth a thread."""


def stable_order(keys: Ints, then: Ints | None = None) -> tuple[Ints, Ints]:
    """The places of `keys`, none of them negative, in the order of (key, then, place); and the keys in that order.

    As many leading bits of a key as a number has room for beside a place are sorted together with it. Then the few
    keys that these bits do not tell apart are put right.

    >>> [one.tolist() for one in stable_order(np.array([7, 5, 7, 5]))]
    [[1, 3, 0, 2], [5, 5, 7, 7]]
    >>> stable_order(np.array([7, 5, 7, 5]), np.array([0, 1, 0, 0]))[0].tolist()
    [3, 1, 0, 2]
    """
    order = rough_order(keys)
    ordered = keys.take(order)
    alike = np.flatnonzero((ordered[1:] ^ ordered[:-1]) >> _left_out(keys) == 0)
    left, right = ordered.take(alike), ordered.take(alike + 1)
    wrong = left > right
    if then is not None:
        wrong |= (left == right) & (then.take(order.take(alike)) > then.take(order.take(alike + 1)))
    if wrong.any():
        places = np.union1d(alike, alike + 1)
        rows = order.take(places)
        some = keys.take(rows)
        rows = rows.take(np.argsort(some, kind="stable") if then is None else np.lexsort((then.take(rows), some)))
        order[places], ordered[places] = rows, keys.take(rows)
    return order, ordered


def rough_order(keys: Ints) -> Ints:
    """The places of `keys`, none of them negative, by their leading bits, then by place."""
    bits = len(keys).bit_length()
    packed = keys >> _left_out(keys)
    packed <<= bits
    packed |= np.arange(len(keys))
    packed.sort()
    packed &= (1 << bits) - 1
    return packed


def _left_out(keys: Ints) -> int:
    """Bits at the end of a key for which a place leaves no room."""
    return max(int(keys.max(initial=0)).bit_length() + len(keys).bit_length() - 63, 0)


def ascending(values: Ints) -> bool:
    """Whether no number is less than the one before it."""
    return bool((values[1:] >= values[:-1]).all())


def in_threads(function: Callable[[Ints], Ints], numbers: Ints) -> Ints:
    """What a function of each number by itself, that lets other threads run, gives for all."""
    threads = min(pa.cpu_count(), len(numbers) // _A_THREAD)
    if threads < 2:
        return function(numbers)
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate([*pool.map(function, np.array_split(numbers, threads))])
