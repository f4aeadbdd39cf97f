from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tropism.core.errors import InvalidInput
from tropism.evaluation.importance import correlated, permutation_importance
from tropism.evaluation.losses import losses
from tropism.experiments.dependence import inflation

Floats = NDArray[np.float64]
Drawn = tuple[Floats, Floats, Callable[[Floats], Floats]]
RUNS = 600


def linear(rng: np.random.Generator, rows: int) -> Drawn:
    """Two alike columns that matter and one that the model takes for more than it is."""
    a = rng.normal(size=rows)
    b = 0.8 * a + 0.6 * rng.normal(size=rows)
    matrix = np.stack([a, b, rng.normal(size=rows)], axis=1)
    return a + 0.5 * b + rng.normal(size=rows), matrix, lambda m: (m @ np.array([1.0, 0.5, 0.1]))[:, None]


def logistic(rng: np.random.Generator, rows: int) -> Drawn:
    matrix = rng.normal(size=(rows, 2))
    labels = (rng.random(rows) < 1 / (1 + np.exp(1 - 1.5 * matrix[:, 0]))).astype(np.float64)
    return labels, matrix, lambda m: 1 / (1 + np.exp(1 - 1.5 * m[:, :1] - 0.3 * m[:, 1:]))


def slow(rng: np.random.Generator, rows: int) -> Drawn:
    """A column with an autocorrelation of 0.8."""
    column = np.zeros(rows + 100)
    for index, step in enumerate(0.6 * rng.normal(size=rows + 99), start=1):
        column[index] = 0.8 * column[index - 1] + step
    matrix = column[100:, None]
    return matrix[:, 0] + rng.normal(size=rows), matrix, lambda m: m


def truth(draw: Callable[[np.random.Generator, int], Drawn], metric: str) -> Floats:
    """The loss that is added when a column comes from an independent row, on a million of them."""
    rng = np.random.default_rng(10**6)
    labels, matrix, score = draw(rng, 10**6)
    own = losses(metric, labels, score(matrix))
    found = np.empty(matrix.shape[1])
    for column in range(matrix.shape[1]):
        other = matrix.copy()
        other[:, column] = np.roll(matrix[:, column], 500_000)
        found[column] = np.mean(losses(metric, labels, score(other)) - own)
    return found


def coverage(
    draw: Callable[[np.random.Generator, int], Drawn], metric: str, rows: int, permutations: int, dependent: bool
) -> tuple[Floats, Floats]:
    """How often each interval holds the truth, and how wide intervals are over the spread of their values."""
    expected = truth(draw, metric)
    held, values, widths = [], [], []
    for run in range(RUNS):
        labels, matrix, score = draw(np.random.default_rng(run), rows)
        factor = inflation if dependent else None
        found = permutation_importance(
            metric, labels, matrix, score, permutations=permutations, seed=run, inflation=factor
        ).added
        held.append([one.low <= right <= one.high for one, right in zip(found, expected, strict=True)])
        values.append([one.value for one in found])
        widths.append([(one.high - one.low) / 3.92 for one in found])
    return np.mean(held, axis=0), np.mean(widths, axis=0) / np.std(values, axis=0)


@pytest.mark.parametrize(("draw", "metric"), [(linear, "mse"), (logistic, "brier"), (logistic, "log_loss")])
@pytest.mark.parametrize("permutations", [2, 10])
def test_the_truth_is_covered_as_often_as_promised(
    draw: Callable[[np.random.Generator, int], Drawn], metric: str, permutations: int
) -> None:
    """95% less at most 3 points, from 300 rows; the widths are those of the spread to a tenth."""
    held, width = coverage(draw, metric, 300, permutations, dependent=False)
    assert np.all((held >= 0.92) & (held <= 0.98)), held
    assert np.all((width >= 0.9) & (width <= 1.1)), width


def test_rows_that_come_in_spells_widen_the_interval() -> None:
    plain, _ = coverage(slow, "mse", 500, 10, dependent=False)
    allowed, _ = coverage(slow, "mse", 500, 10, dependent=True)
    assert plain[0] < 0.8
    assert allowed[0] >= 0.87


def test_what_pairs_alone_decide_is_covered_from_few_rows() -> None:
    """A row's expected difference is 1 whichever row it is: all that varies is the pair's."""
    held = []
    for run in range(2 * RUNS):
        signs = np.random.default_rng(run).normal(size=(16, 1))

        def score(matrix: Floats, signs: Floats = signs) -> Floats:
            return np.where(matrix == signs, 0.0, 100.0 + signs * matrix)

        found = permutation_importance("mae", np.zeros(16), signs, score, permutations=14, seed=run).added[0]
        held.append(found.low <= 100.0 <= found.high)
    assert np.mean(held) >= 0.94, np.mean(held)


def test_no_row_keeps_its_value_so_nothing_is_lost() -> None:
    """With a fixed point in every ordinary permutation, four rows would show three quarters of what there is."""
    labels = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    everyone = np.mean([(a - b) ** 2 for a in labels for b in labels if a != b])
    found = permutation_importance("mse", labels, labels[:, None], lambda m: m, permutations=2)
    assert found.added[0].value == pytest.approx(everyone)


def test_columns_of_a_group_are_permuted_together() -> None:
    rng = np.random.default_rng(3)
    column = rng.normal(size=4_000)
    matrix = np.stack([column, column, rng.normal(size=4_000)], axis=1)

    def score(rows: Floats) -> Floats:
        return rows[:, :1] / 2 + rows[:, 1:2] / 2

    alone = permutation_importance("mse", column, matrix, score).added
    together = permutation_importance("mse", column, matrix, score, [[0, 1], [2]]).added
    assert alone[0].value == pytest.approx(0.5, rel=0.1)
    assert together[0].low < 2 < together[0].high
    assert (together[1].value, together[1].low, together[1].high) == (0, 0, 0)


def test_multiclass_and_missing_values() -> None:
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(600, 2))
    matrix[rng.random(600) < 0.3, 0] = np.nan
    labels = np.where(np.isnan(matrix[:, 0]), 2.0, matrix[:, 0] > 0)
    found = permutation_importance("accuracy", labels, matrix, lambda m: _classes(m[:, 0]))
    assert found.loss.value == 0
    assert found.added[0].low > 0.5
    assert found.added[1].value == 0


def _classes(column: Floats) -> Floats:
    return np.stack([column <= 0, column > 0, np.isnan(column)], axis=1).astype(np.float64)


def test_the_same_seed_gives_the_same_figures_and_other_columns_do_not_matter() -> None:
    labels, matrix, score = linear(np.random.default_rng(5), 200)
    first = permutation_importance("mse", labels, matrix, score, seed=7)
    assert first == permutation_importance("mse", labels, matrix, score, seed=7)
    assert first.added[1] == permutation_importance("mse", labels, matrix, score, [[1]], seed=7).added[0]
    assert first.added[0] != permutation_importance("mse", labels, matrix, score, seed=8).added[0]


def test_the_rows_are_left_as_they_were_and_progress_ends_at_one() -> None:
    labels, matrix, score = linear(np.random.default_rng(6), 50)
    before, shares = matrix.copy(), list[float]()
    permutation_importance("mse", labels, matrix, score, permutations=4, progress=shares.append)
    assert np.array_equal(matrix, before)
    assert shares == pytest.approx(np.arange(1, 13) / 12)


@pytest.mark.parametrize(
    ("labels", "matrix", "permutations", "field"),
    [
        (np.zeros(2), np.zeros((2, 1)), 10, "rows"),
        (np.zeros(5), np.zeros((4, 1)), 10, "matrix"),
        (np.zeros(5), np.zeros(5), 10, "matrix"),
        (np.zeros(5), np.zeros((5, 1)), 1, "permutations"),
    ],
)
def test_what_cannot_be_permuted_is_named(labels: Floats, matrix: Floats, permutations: int, field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        permutation_importance("mse", labels, matrix, lambda m: m, permutations=permutations)
    assert [fault.field for fault in raised.value.faults] == [field]


def test_three_rows_are_enough() -> None:
    column = np.array([0.0, 1.0, 5.0])
    found = permutation_importance("mae", column, column[:, None], lambda m: m).added[0]
    assert found.low < found.value < found.high


def test_alike_columns_are_found_by_rank() -> None:
    rng = np.random.default_rng(8)
    a = rng.normal(size=500)
    near = a + 0.1 * rng.normal(size=500)
    matrix = np.stack([rng.normal(size=500), a, np.exp(a), a + rng.normal(size=500), -near], axis=1)
    assert correlated(matrix, range(5)) == [[0], [1, 2, 4], [3]]
    assert correlated(matrix, [2, 3]) == [[2], [3]]
    assert correlated(matrix, []) == []
    assert correlated(np.ones((9, 2)), [0, 1]) == [[0], [1]]


def test_a_chain_of_alike_columns_is_one_group_and_gaps_share_a_rank() -> None:
    rng = np.random.default_rng(9)
    steps = np.cumsum(rng.normal(size=(2_000, 4)) * np.array([1.0, 0.4, 0.4, 0.4]), axis=1)
    assert abs(np.corrcoef(steps[:, 0], steps[:, 3])[0, 1]) < 0.9
    assert correlated(steps, range(4)) == [[0, 1, 2, 3]]
    holes = np.where(rng.random((2_000, 1)) < 0.2, np.nan, steps)
    assert correlated(holes[:, :2], [0, 1]) == [[0, 1]]
