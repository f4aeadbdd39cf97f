"""The simulated streams, the same for everybody: each process makes them again from their seed. Needs numpy only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

FEATURES = 50
ROWS = 1_000
"""Of a window, which is a minute."""
MONTH = 30 * 24 * 60
SHIFTED = 17
"""The feature that shifts."""
RATES = (0.10, 0.15)
"""Of errors, before and after."""
_REFERENCE = 2**31

Rows = Any
"""Standard normal values, shape (rows, FEATURES), float32."""


class Stream:
    """Windows without end; rows follow each other with correlation `rho`. The reference is as independent of them."""

    def __init__(self, seed: int, rho: float = 0.0) -> None:
        self._seed, self._rho = seed, rho

    def reference(self, rows: int) -> Rows:
        return self._dependent(np.random.default_rng([_REFERENCE, self._seed]), rows, None)[0]

    def windows(self, repetition: int = 0) -> Iterator[Rows]:
        """`repetition`: of the stream; each has rows of its own."""
        random, last = np.random.default_rng([self._seed, repetition]), None
        while True:
            rows, last = self._dependent(random, ROWS, last)
            yield rows

    def _dependent(self, random: np.random.Generator, rows: int, last: Rows) -> tuple[Rows, Rows]:
        if self._rho == 0:
            return random.standard_normal((rows, FEATURES), dtype=np.float32), None
        noise = random.standard_normal((rows, FEATURES), dtype=np.float32) * np.float32(np.sqrt(1 - self._rho**2))
        before = random.standard_normal(FEATURES, dtype=np.float32) if last is None else last
        for row in noise:
            row += np.float32(self._rho) * before
            before = row
        return noise, noise[-1].copy()


def shifted(rows: Rows, by: float) -> Rows:
    """`rows` with one feature moved by so many standard deviations."""
    moved = rows.copy()
    moved[:, SHIFTED] += np.float32(by)
    return moved


def errors(seed: int, repetition: int, labels: int, rate: float) -> list[int]:
    """1 for an error."""
    random = np.random.default_rng([seed, repetition, round(rate * 100)])
    found: list[int] = (random.random(labels) < rate).astype(int).tolist()
    return found
