"""Exact fractions, rounded once: to the nearest number in double precision, ties to even."""

from __future__ import annotations

import math


def quotient(numerator: int, denominator: int) -> float:
    """A fraction as the nearest number; infinite where it is beyond the largest one, and 0 never negative.
    `denominator`: above 0.

    >>> quotient(1, 3), quotient(-(10**400), 1)
    (0.3333333333333333, -inf)
    """
    try:
        return numerator / denominator + 0.0
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf


def root(numerator: int, denominator: int) -> float:
    """The square root of a fraction that is not below 0, as the nearest number.

    An integer root of more than 54 bits, rounded to odd, loses nothing that the last rounding would need (Boldo and
    Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd", 2008).

    >>> root(2, 1) == math.sqrt(2.0), root(10**400, 1) == 1e200
    (True, True)
    """
    shift = (numerator.bit_length() - denominator.bit_length() - 109) // 2
    if shift >= 0:
        return quotient(_to_odd(numerator, denominator << 2 * shift) << shift, 1)
    return quotient(_to_odd(numerator << -2 * shift, denominator), 1 << -shift)


def deviation(count: int, total: int, squares: int, unit: int) -> float | None:
    """Standard deviation of a sample from sums of integers and of their squares; null below two values.

    `unit`: the integers are that many times the values.

    >>> deviation(3, 600, 140000, 100)
    1.0
    """
    if count < 2:
        return None
    return root(count * squares - total * total, count * (count - 1) * unit * unit)


def _to_odd(numerator: int, denominator: int) -> int:
    whole = math.isqrt(numerator // denominator)
    return whole | (whole * whole * denominator != numerator)
