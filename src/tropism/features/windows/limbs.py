"""Columns of numbers as planes of 32 bits, so that int64 prefix sums over any of them are exact.

A column is sum(planes[j] * 2**(32 * j)) * 2**exponent, element by element, as fixed-point superaccumulators hold
numbers (Kulisch, "Computer Arithmetic and Validity", 2008), here only as wide as the numbers at hand need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    Ints = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]
    Limbs = npt.NDArray[np.uint64]

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


class Planes(NamedTuple):
    """`rows`: int64, shape (planes, n), each below 2**33; `exponent`: of the lowest bit."""

    rows: Ints
    exponent: int


def planes(array: pa.Array, valid: Flags, *, squared: bool = False) -> Planes:
    """The planes of a column (of its squares, if `squared`); zero where it is not `valid`.

    `array`: float64, int64 or decimal128, shape (n,). Infinite numbers must not be valid.
    """
    import pyarrow as pa

    if not len(array):
        return Planes(np.zeros((1, 0), np.int64), 0)
    if pa.types.is_floating(array.type):
        negative, limbs, shift, exponent = _floating(array.fill_null(0).to_numpy(zero_copy_only=False), valid)
    else:
        negative, limbs = _whole(array, valid)
        shift, exponent = np.zeros(len(array), np.int64), 0
    if squared:
        limbs, shift, exponent = _squared(limbs), 2 * shift, 2 * exponent
        negative = np.zeros_like(negative)
    return Planes(_placed(limbs, shift, negative), exponent)


def joined(rows: Ints) -> npt.NDArray[np.object_]:
    """Whole numbers of any size from sums of planes, shape (planes, n) -> (n,)."""
    total: npt.NDArray[np.object_] = rows[-1].astype(object)
    for row in rows[-2::-1]:
        total = (total << 32) + row
    return total


def _floating(values: npt.NDArray[np.float64], valid: Flags) -> tuple[Flags, Limbs, Ints, int]:
    mantissas, exponents = np.frexp(np.where(valid, values, 0.0))
    wholes = (mantissas * 2.0**53).astype(np.int64)
    used = wholes != 0
    exponent = int(exponents[used].min()) - 53 if used.any() else 0
    shift = np.where(used, exponents.astype(np.int64) - 53 - exponent, 0)
    size = np.abs(wholes).astype(np.uint64)
    return wholes < 0, np.stack([size & _MASK, size >> _HALF]), shift, exponent


def _whole(array: pa.Array, valid: Flags) -> tuple[Flags, Limbs]:
    """Signs and sizes from two's complement, in words of 32 bits, the lowest first."""
    words = np.frombuffer(array.buffers()[1], np.uint32).reshape(-1, array.type.bit_width // 32)
    limbs = np.where(valid, words[array.offset : array.offset + len(array)].T, 0).astype(np.uint64)
    negative = (limbs[-1] >> np.uint64(31)).astype(bool)
    return negative, _carried(np.where(negative, (limbs ^ _MASK), limbs), negative.astype(np.uint64))


def _carried(limbs: Limbs, carry: Limbs) -> Limbs:
    for limb in limbs:
        limb += carry
        carry = limb >> _HALF
        limb &= _MASK
    return limbs


def _squared(limbs: Limbs) -> Limbs:
    many, length = limbs.shape
    out = np.zeros((2 * many, length), np.uint64)
    for i in range(many):
        for j in range(many):
            product = limbs[i] * limbs[j]
            out[i + j] += product & _MASK
            out[i + j + 1] += product >> _HALF
    return _carried(out, np.zeros(length, np.uint64))


def _placed(limbs: Limbs, shift: Ints, negative: Flags) -> Ints:
    many, length = limbs.shape
    place, rest = shift >> 5, (shift & 31).astype(np.uint64)
    rows = np.zeros((int(place.max(initial=0)) + many + 1, length), np.int64)
    sign, index = np.where(negative, -1, 1), np.arange(length)
    for step, limb in enumerate(limbs):
        wide = limb << rest
        rows[place + step, index] += sign * (wide & _MASK).astype(np.int64)
        rows[place + step + 1, index] += sign * (wide >> _HALF).astype(np.int64)
    return rows
