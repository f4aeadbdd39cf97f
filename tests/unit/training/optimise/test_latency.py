"""Time is counted by a clock that the models themselves move, so nothing here depends on the machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import pytest

from tropism.learners.model import Model
from tropism.training.optimise.latency import latency

ROWS = [{"n": float(number)} for number in range(130)]


class _Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


class _Timed:
    """A model whose calls take so many ns, as the clock sees it."""

    def __init__(self, clock: _Clock, cost: Callable[[int], float]) -> None:
        self.clock, self.cost = clock, cost
        self.asked: list[Sequence[Any]] = []

    def predict_rows(self, rows: Sequence[Any]) -> None:
        self.asked.append(rows)
        self.clock.now += int(self.cost(len(self.asked)))


def _timed(before: Callable[[int], float], after: Callable[[int], float], size: int = 1) -> Any:
    clock = _Clock()
    first, second = _Timed(clock, before), _Timed(clock, after)
    found = latency(cast("Model", first), cast("Model", second), ROWS, size, clock=clock)
    return found, (first, second)


def test_the_ratio_of_steady_times_is_exact() -> None:
    found, _ = _timed(lambda _: 20_000, lambda _: 5_000)
    assert (found.rows, found.before_us, found.after_us) == (1, 20.0, 5.0)
    assert (found.ratio.low, found.ratio.value, found.ratio.high) == (0.25, 0.25, 0.25)


def test_noise_shows_in_the_interval() -> None:
    rng = np.random.default_rng(0)
    found, _ = _timed(lambda _: 2e6 * rng.lognormal(0, 0.5), lambda _: 2e6 * rng.lognormal(0, 0.5))
    assert found.ratio.low < 1.0 < found.ratio.high
    assert found.ratio.high / found.ratio.low > 1.1


def test_single_stalls_do_not_count() -> None:
    found, _ = _timed(lambda _: 2e6, lambda call: 1e9 if call % 20 == 0 else 1e6)
    assert found.ratio.high == pytest.approx(0.5)


@pytest.mark.parametrize("size", [1, 64])
def test_both_get_the_same_rows_and_not_one_row_again_and_again(size: int) -> None:
    _, (before, after) = _timed(lambda _: 40_000, lambda _: 40_000, size)
    assert before.asked == after.asked
    assert {len(rows) for rows in before.asked} == {size}
    assert len({str(rows) for rows in before.asked}) == -(-130 // size)
