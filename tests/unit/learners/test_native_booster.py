from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest

from tropism.core.errors import ArtifactRefused, NotReady
from tropism.core.task import Task
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.learners.native_booster import NativeBooster


@pytest.fixture
def text(make_task: Callable[..., Task], make_data: Callable[..., Dataset]) -> bytes:
    model = fit_model(make_task("multiclass"), "lightgbm", make_data("multiclass"))
    return model.estimator.export()["model.txt"]


def rows(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(count, 4))
    matrix[:, 2] = rng.integers(-1, 6, count)
    matrix[rng.random((count, 4)) < 0.2] = np.nan
    return matrix


def test_the_short_way_gives_equal_bits(text: bytes) -> None:
    booster, matrix = NativeBooster(text, 4, 3), rows(500)
    one_by_one = np.vstack([booster.score(row.tolist()) for row in matrix])
    assert one_by_one.tobytes() == booster.predict(matrix).tobytes()
    assert booster.predict(np.asfortranarray(matrix)).tobytes() == one_by_one.tobytes()
    assert booster.predict(matrix[:0]).shape == (0, 3)


def test_threads_do_not_mix_their_rows(text: bytes) -> None:
    booster, matrix = NativeBooster(text, 4, 3), rows(300)
    expected, wrong = booster.predict(matrix), []
    start = threading.Barrier(4)

    def work(offset: int) -> None:
        start.wait()
        for index in range(offset, 300, 4):
            for _ in range(5):
                if not np.array_equal(booster.score(matrix[index].tolist())[0], expected[index]):
                    wrong.append(index)
        if not np.array_equal(booster.predict(matrix), expected):
            wrong.append(-1)

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert wrong == []


def test_a_closed_booster_says_so(text: bytes) -> None:
    booster = NativeBooster(text, 4, 3)
    booster.close()
    booster.close()
    with pytest.raises(NotReady, match="closed"):
        booster.score([0.0] * 4)
    with pytest.raises(NotReady):
        booster.predict(rows(2))


def test_dropping_one_frees_it_and_leaves_others_alone(text: bytes) -> None:
    kept = NativeBooster(text, 4, 3)
    expected = kept.predict(rows(5))
    for _ in range(20):
        NativeBooster(text, 4, 3)
    gc.collect()
    np.testing.assert_array_equal(kept.predict(rows(5)), expected)


def test_a_row_or_matrix_of_another_width_never_reaches_native_code(text: bytes) -> None:
    booster = NativeBooster(text, 4, 3)
    with pytest.raises(ValueError, match="columns"):
        booster.predict(np.zeros((2, 5)))
    with pytest.raises(Exception, match="pack_into"):
        booster.score([0.0] * 3)


def test_what_lightgbm_cannot_read_is_refused() -> None:
    with pytest.raises(ArtifactRefused):
        NativeBooster(b"tree\nversion=v4\n", 4, 3)


def test_contributions_are_lightgbms_own_from_any_thread(text: bytes) -> None:
    import lightgbm

    matrix = rows(200)
    theirs = lightgbm.Booster(model_str=text.decode()).predict(matrix, pred_contrib=True)
    expected = np.asarray(theirs).reshape(200, 3, 5)
    booster = NativeBooster(text, 4, 3)
    start, found = threading.Barrier(4), []

    def work() -> None:
        start.wait()
        found.append(booster.contributions(matrix))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for one in found:
        np.testing.assert_array_equal(one, expected)
    assert booster.contributions(matrix[:0]).shape == (0, 3, 5)
    with pytest.raises(ValueError, match="columns"):
        booster.contributions(np.zeros((2, 5)))
    booster.close()
    with pytest.raises(NotReady):
        booster.contributions(matrix)
