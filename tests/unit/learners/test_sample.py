from __future__ import annotations

import math

import numpy as np
import pytest

from tropism.core.errors import ArtifactRefused
from tropism.learners.affine import Affine
from tropism.learners.base import Floats, Shape
from tropism.learners.sample import MOST_ROWS, Sample, rows, verify

SHAPE = Shape("regression", 1, 3)
LINEAR = Affine("regression", np.array([[1.0, -2.0, 0.5]]), np.array([0.25]))


def numbers(count: int) -> Floats:
    return np.random.default_rng(1).normal(size=(count, 3))


def test_rows_are_spread_over_the_data_and_the_row_that_lacks_everything_comes_last() -> None:
    matrix = np.arange(3_000.0).reshape(1_000, 3)
    sample = Sample.choose(matrix, np.full((1, 3), np.nan), LINEAR.predict)
    assert sample.matrix.shape == (MOST_ROWS, 3)
    assert (sample.matrix[0, 0], sample.matrix[-2, 0]) == (0.0, 2_997.0)
    assert np.all(np.isnan(sample.matrix[-1]))


def test_fewer_rows_than_a_sample_has_are_repeated() -> None:
    matrix = numbers(4)
    sample = Sample.choose(matrix, np.zeros((1, 3)), LINEAR.predict)
    assert sample.matrix.shape == (MOST_ROWS, 3)
    np.testing.assert_array_equal(sample.matrix[4:8], matrix)


def test_a_wide_sample_has_fewer_rows() -> None:
    assert rows(3) == MOST_ROWS
    assert rows(10_000) * 10_000 <= 2**17


def test_the_framework_is_asked_once_and_only_when_scores_are_wanted() -> None:
    asked = []

    def framework(matrix: Floats) -> Floats:
        asked.append(len(matrix))
        return LINEAR.predict(matrix)

    sample = Sample.choose(numbers(50), np.zeros((1, 3)), framework)
    assert asked == []
    sample.export()
    sample.export()
    assert asked == [MOST_ROWS]


def test_missing_numbers_survive_being_stored() -> None:
    matrix = numbers(40)
    matrix[::3, 1] = np.nan
    sample = Sample.choose(matrix, np.full((1, 3), np.nan), lambda given: np.zeros((len(given), 1)))
    again = Sample.load(sample.export(), SHAPE)
    np.testing.assert_array_equal(again.matrix, sample.matrix)
    np.testing.assert_array_equal(again.scores, sample.scores)


def test_a_sample_for_another_shape_is_refused() -> None:
    data = Sample.choose(numbers(40), np.zeros((1, 3)), LINEAR.predict).export()
    for shape in (SHAPE._replace(width=4), SHAPE._replace(outputs=2)):
        with pytest.raises(ArtifactRefused):
            Sample.load(data, shape)
    with pytest.raises(ArtifactRefused):
        Sample.load(data[:-1], SHAPE)


def test_the_largest_difference_is_told_and_a_larger_one_than_allowed_is_refused() -> None:
    matrix, missing = numbers(40), np.zeros((1, 3))
    found = verify(LINEAR, Sample.choose(matrix, missing, lambda given: LINEAR.predict(given) + 5e-13))
    assert found.rows == MOST_ROWS
    assert found.difference == pytest.approx(5e-13 / max(1.0, np.abs(LINEAR.predict(matrix)).max()), rel=0.5)
    assert found.batch_difference == 0.0
    for wrong in (1e-6, math.nan):
        apart = LINEAR.predict(Sample.choose(matrix, missing, LINEAR.predict).matrix) + wrong
        with pytest.raises(ArtifactRefused, match="when it was trained"):
            verify(LINEAR, Sample.choose(matrix, missing, lambda _, apart=apart: apart))  # type: ignore[misc]


def test_large_numbers_are_compared_by_their_size() -> None:
    large = Affine("regression", np.array([[1e9, 0.0, 0.0]]), np.array([1e12]))
    sample = Sample.choose(numbers(40), np.zeros((1, 3)), lambda given: large.predict(given) + 1e-3)
    assert verify(large, sample).difference < 1e-14
