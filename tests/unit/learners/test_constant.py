from __future__ import annotations

import numpy as np
import pytest

from tropism.core.clock import DAY, SECOND
from tropism.core.errors import ArtifactRefused
from tropism.learners.base import Shape, Updatable
from tropism.learners.constant import FILE, Constant, Fixed, LastKnown, Moving, Profile

BINARY, NUMBER, THREE = Shape("binary", 1, 2), Shape("regression", 1, 2), Shape("multiclass", 3, 2)
HOUR = 3_600 * SECOND
ROWS = np.zeros((2, 2))


def times(*at: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(at, np.int64)


def test_the_last_label_moves_with_what_becomes_known() -> None:
    estimator = Moving(LastKnown((1.5,), 10), NUMBER)
    assert estimator.predict(ROWS)[0, 0] == 1.5
    estimator.update(np.array([3.0, 2.0]), times(30, 20))
    assert estimator.predict(ROWS)[0, 0] == 3.0
    estimator.update(np.array([9.0]), times(25))  # older than what is known
    assert estimator.predict(ROWS)[0, 0] == 3.0
    estimator.update(np.array([]), times())
    assert estimator.predict(ROWS)[0, 0] == 3.0


def test_the_last_class_is_as_probable_as_it_used_to_repeat() -> None:
    estimator = Moving(LastKnown((0.0,), 0), BINARY)
    estimator.update(np.array([0.0, 0.0, 1.0, 1.0]), times(1, 2, 3, 4))
    # three of four labels equalled the one before; one more of each is counted
    np.testing.assert_allclose(estimator.predict(ROWS), [[4 / 6], [4 / 6]])
    flipping = Moving(LastKnown((0.0,), 0, repeats=0.0, pairs=50.0), THREE)
    assert np.argmax(flipping.predict(ROWS)[0]) == 0


def test_the_probability_is_of_repeating_as_many_rows_later_as_labels_take() -> None:
    estimator = Moving(LastKnown((0.0, 1.0), 0), BINARY)
    estimator.update(np.array([0.0, 1.0, 0.0, 1.0]), times(1, 2, 3, 4))
    np.testing.assert_allclose(estimator.predict(ROWS)[0, 0], 5 / 6)


def test_a_season_is_told_by_the_moment_and_moves_with_labels() -> None:
    estimator = Moving(Profile(DAY, ((10.0,), (60.0,)), (10.0, 10.0), at=0), NUMBER)
    overall = 3.5
    at = times(HOUR, 13 * HOUR)
    expected = [[(10 + overall) / 11], [(60 + overall) / 11]]
    np.testing.assert_allclose(estimator.predict(ROWS, at), expected)
    np.testing.assert_allclose(estimator.predict(ROWS), [expected[0]] * 2)
    estimator.update(np.full(1_000, 8.0), np.full(1_000, 14 * HOUR, np.int64))
    np.testing.assert_allclose(estimator.predict(ROWS, at)[1], 8.0, atol=0.05)
    np.testing.assert_allclose(estimator.predict(ROWS)[0], estimator.predict(ROWS, at)[1])


def test_a_season_of_classes_sums_to_one_even_where_nothing_was_seen() -> None:
    estimator = Moving(Profile(DAY, ((4.0, 0.0, 1.0), (0.0, 0.0, 0.0)), (5.0, 0.0), at=0), THREE)
    scores = estimator.predict(ROWS, times(0, 12 * HOUR))
    np.testing.assert_allclose(scores.sum(axis=1), 1.0)
    np.testing.assert_allclose(scores[1], [5 / 8, 1 / 8, 2 / 8])
    estimator.update(np.array([1.0] * 50), np.full(50, 12 * HOUR, np.int64))
    assert np.argmax(estimator.predict(ROWS, times(0, 12 * HOUR))[1]) == 1


def test_only_moving_states_say_that_they_update() -> None:
    fixed = Constant.load({FILE: b'{"type":"fixed","scores":[0.25]}'}, BINARY)
    moving = Constant.load({FILE: b'{"type":"last-label","newest":[1.0],"at":5}'}, BINARY)
    assert not isinstance(fixed, Updatable)
    assert isinstance(moving, Updatable)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 2**53 + 1.0])
def test_numbers_survive_storage_to_the_last_bit(value: float) -> None:
    stored = Constant(Fixed((value,)), NUMBER).export()
    assert Constant.load(stored, NUMBER).predict(ROWS).tobytes() == np.full((2, 1), value).tobytes()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b'{"type":"fixed"}',
        b'{"type":"other","scores":[0.5]}',
        b'{"type":"fixed","scores":[0.5],"hook":"x"}',
        b'{"type":"fixed","scores":[0.5,0.5]}',
        b'{"type":"fixed","scores":[1.5]}',
        b'{"type":"fixed","scores":[1e999]}',
        b'{"type":"last-label","newest":[],"at":0}',
        b'{"type":"last-label","newest":[7],"at":0}',
        b'{"type":"last-label","newest":[1],"at":0,"repeats":3,"pairs":2}',
        b'{"type":"last-label","newest":[1],"at":99999999999999999999}',
        b'{"type":"seasonal","period":0,"totals":[[1]],"counts":[1],"at":0}',
        b'{"type":"seasonal","period":10,"totals":[],"counts":[],"at":0}',
        b'{"type":"seasonal","period":10,"totals":[[1,2]],"counts":[3],"at":0}',
        b'{"type":"seasonal","period":10,"totals":[[1],[0]],"counts":[1],"at":0}',
        b'{"type":"seasonal","period":10,"totals":[[2]],"counts":[1],"at":0}',
        b'{"type":"seasonal","period":10,"totals":[[0]],"counts":[0],"at":0}',
    ],
    ids=range(18),
)
def test_a_malformed_state_is_refused(text: bytes) -> None:
    with pytest.raises(ArtifactRefused):
        Constant.load({FILE: text}, BINARY)


def test_other_files_are_refused() -> None:
    with pytest.raises(ArtifactRefused, match="wrong files"):
        Constant.load({FILE: b"{}", "more": b""}, BINARY)
    with pytest.raises(ArtifactRefused, match="malformed"):
        Constant.load({FILE: b'{"type":"fixed","scores":[0.5,0.2,0.2]}'}, THREE)


@pytest.mark.parametrize(
    ("state", "shape", "raw"),
    [
        (Fixed((0.8,)), BINARY, [np.log(4.0)]),
        (Fixed((0.5, 0.25, 0.25)), THREE, np.log([0.5, 0.25, 0.25]).tolist()),
        (Fixed((7.0,)), NUMBER, [7.0]),
    ],
)
def test_the_baseline_alone_contributes(state: Fixed, shape: Shape, raw: list[float]) -> None:
    found = Constant(state, shape).contributions(np.zeros((2, 5)))
    assert found.shape == (2, shape.outputs, 6)
    assert not np.any(found[:, :, :-1])
    np.testing.assert_allclose(found[0, :, -1], raw)
