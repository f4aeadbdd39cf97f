from __future__ import annotations

import numpy as np
import pytest

from tropism.core.errors import ArtifactRefused
from tropism.core.task import Kind
from tropism.learners.affine import FILE, Affine
from tropism.learners.base import Shape

KINDS: tuple[tuple[Kind, int], ...] = (("binary", 1), ("multiclass", 4), ("regression", 1))


@pytest.mark.parametrize(("kind", "outputs"), KINDS)
@pytest.mark.parametrize("width", [1, 2, 7, 64, 1_000])
def test_a_row_has_equal_bits_in_a_batch_of_any_size(kind: Kind, outputs: int, width: int) -> None:
    rng = np.random.default_rng(width)
    affine = Affine(kind, rng.normal(size=(outputs, width)), rng.normal(size=outputs))
    matrix = rng.normal(size=(1_100, width))
    together = affine.predict(matrix)
    for size in (1, 3, 16, 1_023):
        stop = 200 if size == 1 else 1_100
        parts = [affine.predict(matrix[start : start + size]) for start in range(0, stop, size)]
        assert np.concatenate(parts).tobytes() == together[:stop].tobytes()
    assert affine.predict(np.asfortranarray(matrix)).tobytes() == together.tobytes()


def test_it_is_weights_times_rows_plus_intercept() -> None:
    affine = Affine("regression", np.array([[2.0, -1.0]]), np.array([0.5]))
    np.testing.assert_array_equal(affine.predict(np.array([[1.0, 1.0], [0.0, 3.0]])), [[1.5], [-2.5]])
    np.testing.assert_array_equal(affine.importance(), [2.0, 1.0])
    assert affine.predict(np.empty((0, 2))).shape == (0, 1)


def test_weights_of_another_shape_or_another_file_are_refused() -> None:
    files = Affine("binary", np.ones((1, 3)), np.zeros(1)).export()
    assert Affine.load(files, Shape("binary", 1, 3)).export() == files
    with pytest.raises(ArtifactRefused):
        Affine.load(files, Shape("binary", 1, 4))
    with pytest.raises(ArtifactRefused):
        Affine.load({**files, "extra.py": b""}, Shape("binary", 1, 3))
    with pytest.raises(ArtifactRefused):
        Affine.load({"other": files[FILE]}, Shape("binary", 1, 3))


@pytest.mark.parametrize(("kind", "outputs"), KINDS)
def test_the_short_way_gives_equal_bits(kind: Kind, outputs: int) -> None:
    rng = np.random.default_rng(0)
    affine, matrix = Affine(kind, rng.normal(size=(outputs, 9)), rng.normal(size=outputs)), rng.normal(size=(200, 9))
    alone = np.vstack([affine.score(row) for row in matrix.tolist()])
    assert alone.tobytes() == affine.predict(matrix).tobytes()


def test_contributions_are_weights_times_values() -> None:
    affine = Affine("regression", np.array([[2.0, -1.0]]), np.array([0.5]))
    found = affine.contributions(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert found.tolist() == [[[6.0, -4.0, 0.5]], [[0.0, 0.0, 0.5]]]
