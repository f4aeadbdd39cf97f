from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.learners.lightgbm_models import WIDTH, Trained, rows, train

from tropism.learners import leaf_masks as module
from tropism.learners import leaf_tables
from tropism.learners.leaf_masks import LeafMasks

KINDS = ("binary", "multiclass", "regression")
MISSING: tuple[dict[str, bool], ...] = ({}, {"use_missing": False}, {"zero_as_missing": True})


@pytest.fixture(autouse=True)
def _always_worthwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small models would be left to LightGBM, which is as fast for them."""
    monkeypatch.setattr(leaf_tables, "_GAIN", np.inf)


def masks_of(model: Trained) -> LeafMasks:
    masks = LeafMasks.of(model.audited(), model.shape)
    assert masks is not None
    return masks


def assert_equal_bits(model: Trained, counts: tuple[int, ...] = (16, 17, 257, 700)) -> None:
    masks, native = masks_of(model), model.native()
    for count in counts:
        matrix = rows(model.text, count, count)
        assert masks.predict(matrix).tobytes() == native.predict(matrix).tobytes()


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("boosting", ["gbdt", "rf"])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_have_the_bits_of_lightgbms(kind: str, boosting: str, missing: dict[str, bool]) -> None:
    assert_equal_bits(train(kind, 1, num_leaves=31, boosting=boosting, **missing))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    boosting=st.sampled_from(["gbdt", "rf", "dart"]),
    missing=st.sampled_from(MISSING),
    leaves=st.integers(2, 64),
    trees=st.integers(1, 30),
    one_hot=st.sampled_from([1, 4, 100]),
    rate=st.sampled_from([0.01, 0.3, 1.0]),
    seed=st.integers(0, 10_000),
)
def test_any_small_model_gives_equal_bits(
    kind: str, boosting: str, missing: dict[str, bool], leaves: int, trees: int, one_hot: int, rate: float, seed: int
) -> None:
    tree = {"num_leaves": leaves, "max_cat_to_onehot": one_hot, "min_data_in_leaf": 1 + seed % 9}
    model = train(kind, seed, trees, boosting=boosting, learning_rate=rate, **tree, **missing)
    masks = LeafMasks.of(model.audited(), model.shape)
    if masks is None:
        assert model.text.count(b"num_leaves=1\n") == model.text.count(b"num_leaves=")
        return
    matrix = rows(model.text, 150, seed)
    assert masks.predict(matrix).tobytes() == model.native().predict(matrix).tobytes()
    assert masks.agrees(model.native().predict)


@pytest.mark.parametrize("work", [1, 3_000, 2**22])
def test_blocks_of_any_size_give_equal_bits(work: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WORK", work)
    monkeypatch.setattr(module, "_MOST_ROWS", 20)
    for kind in KINDS:
        assert_equal_bits(train(kind, 2, num_leaves=20), tuple(range(16, 64)))


@pytest.mark.parametrize("scale", [30.0, 900.0])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_at_the_ends_of_the_exponential(kind: str, scale: float) -> None:
    model = train(kind, 4, num_leaves=16)
    lines = [
        b"leaf_value=" + b" ".join(repr(float(value) * scale).encode() for value in line[11:].split())
        if line.startswith(b"leaf_value=")
        else line
        for line in model.text.split(b"\n")
    ]
    assert_equal_bits(Trained(with_sizes(b"\n".join(lines)), model.shape))


def with_sizes(text: bytes) -> bytes:
    head, body = text.split(b"\n\n", 1)
    sizes = [len(b"Tree=" + block) for block in body.partition(b"end of trees")[0].split(b"Tree=")[1:]]
    lines = [line for line in head.split(b"\n") if not line.startswith(b"tree_sizes=")]
    return b"\n".join([*lines, b"tree_sizes=" + b" ".join(b"%d" % size for size in sizes)]) + b"\n\n" + body


def test_minus_zero_is_added_to_zero() -> None:
    model = train("regression", 5, rounds=1, num_leaves=3, boost_from_average=False)
    lines = [b"leaf_value=-0 -0 1" if line.startswith(b"leaf_value=") else line for line in model.text.split(b"\n")]
    assert_equal_bits(Trained(with_sizes(b"\n".join(lines)), model.shape))


def test_any_layout_of_the_matrix_will_do() -> None:
    model = train("multiclass", 6, num_leaves=31)
    masks, matrix = masks_of(model), rows(model.text, 100, 0)
    before = matrix.copy()
    expected = masks.predict(matrix)
    assert expected.shape == (100, 3)
    assert expected.flags.c_contiguous
    assert masks.predict(np.asfortranarray(matrix)).tobytes() == expected.tobytes()
    assert masks.predict(np.repeat(matrix, 2, axis=0)[::2]).tobytes() == expected.tobytes()
    assert matrix.tobytes() == before.tobytes()


def test_columns_that_no_split_looks_at_do_not_matter() -> None:
    model = train("binary", 7, num_leaves=8, feature_fraction=0.4, rounds=1)
    masks = masks_of(model)
    used = {
        int(token) for line in model.text.split(b"\n") if line.startswith(b"split_f") for token in line[14:].split()
    }
    unused = sorted(set(range(WIDTH)) - used)
    assert unused
    matrix = rows(model.text, 50, 0)
    expected = model.native().predict(matrix)
    matrix[:, unused] = np.nan
    assert masks.predict(matrix).tobytes() == expected.tobytes()


def test_threads_do_not_mix_their_rows() -> None:
    model = train("binary", 8, rounds=200, num_leaves=31)
    masks, matrix = masks_of(model), rows(model.text, 700, 0)
    expected, wrong = model.native().predict(matrix), []
    start = threading.Barrier(4)

    def work(offset: int) -> None:
        start.wait()
        for first in range(offset, 400, 11):
            if masks.predict(matrix[first : first + 300]).tobytes() != expected[first : first + 300].tobytes():
                wrong.append(first)

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


def test_another_predictor_does_not_agree() -> None:
    model = train("binary", 9, num_leaves=31)
    masks, native = masks_of(model), model.native()
    assert masks.agrees(native.predict)
    assert not masks.agrees(lambda matrix: np.nextafter(native.predict(matrix), 1.0))


def test_too_few_rows_and_other_widths_are_refused() -> None:
    masks = masks_of(train("binary", 10, num_leaves=8))
    for matrix in (np.zeros((LeafMasks.least, WIDTH + 1)), np.zeros((LeafMasks.least - 1, WIDTH))):
        with pytest.raises(ValueError, match="numbers for a model"):
            masks.predict(matrix)
