from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from tests.unit.learners.onnx_graphs import helper, model, network, numpy_helper

from tropism.core.errors import ArtifactRefused, NotReady, SettingInvalid
from tropism.learners.base import Floats, Shape
from tropism.learners.onnx_model import FILE, MOST_ROWS, OnnxModel
from tropism.learners.onnx_session import CUDA

runtime = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
BINARY, CLASSES = Shape("binary", 1, 4), Shape("multiclass", 3, 4)


def rows(count: int, width: int = 4) -> Floats:
    return np.random.default_rng(1).normal(size=(count, width))


def served(proto: Any, shape: Shape = BINARY) -> OnnxModel:
    return OnnxModel(proto.SerializeToString(), shape)


def in_numpy(proto: Any, matrix: Floats) -> Floats:
    """The raw score of a network in double precision."""
    arrays = [numpy_helper.to_array(one).astype(np.float64) for one in proto.graph.initializer]
    for index in range(0, len(arrays), 2):
        matrix = (np.maximum(matrix, 0.0) if index else matrix) @ arrays[index] + arrays[index + 1]
    return matrix


def test_it_computes_what_the_graph_says() -> None:
    matrix, proto = rows(200), network(outputs=3)
    raw = in_numpy(proto, matrix)
    expected = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    scores = served(proto, CLASSES).predict(matrix)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-12)
    assert scores.dtype == np.float64


@pytest.mark.parametrize("width", [1, 7, 130])
@pytest.mark.parametrize("hidden", [(3,), (64, 64), (257,)])
def test_a_row_scores_alone_as_among_others_in_batches_of_any_size(width: int, hidden: tuple[int, ...]) -> None:
    matrix = rows(3 * MOST_ROWS + 5, width)
    estimator = served(network(width, hidden, 3), Shape("multiclass", 3, width))
    alone = np.vstack([estimator.predict(matrix[index : index + 1]) for index in range(len(matrix))])
    for size in (2, 3, 10, 31, MOST_ROWS, MOST_ROWS + 1, len(matrix)):
        assert estimator.predict(matrix[:size]).tobytes() == alone[:size].tobytes()
    assert estimator.predict(matrix[:0]).shape == (0, 3)
    assert estimator.exact_batches


def test_a_graph_that_looks_at_all_rows_at_once_runs_them_one_by_one() -> None:
    """Dynamic quantisation takes its scale from the largest number of the batch."""
    weights = np.random.default_rng(2).integers(-9, 9, (4, 1)).astype(np.int8)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["input"], ["whole", "step", "zero"]),
        helper.make_node("MatMulInteger", ["whole", "weights", "zero"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["real"], to=1),
        helper.make_node("Mul", ["real", "step"], ["scores"]),
    ]
    estimator = served(model(nodes, {"weights": weights}), Shape("regression", 1, 4))
    matrix = rows(20)
    matrix[3] *= 1e6  # without care it would flatten all the others
    together = estimator.predict(matrix)
    assert np.vstack([estimator.predict(row[None, :]) for row in matrix]).tobytes() == together.tobytes()
    np.testing.assert_allclose(together[:3, 0], (matrix[:3] @ weights)[:, 0], atol=0.3)


def test_numbers_beyond_single_precision_are_cut_to_it() -> None:
    proto = model([helper.make_node("Clip", ["input", "low", "high"], ["scores"])], {}, 2, 2)
    for name, value in (("low", -1.0), ("high", 1.0)):
        proto.graph.initializer.append(helper.make_tensor(name, 1, [], [value]))
    estimator = OnnxModel(proto.SerializeToString(), Shape("regression", 2, 2))
    np.testing.assert_array_equal(estimator.predict(np.array([[1e300, -1e300]])), [[1.0, -1.0]])


def test_a_matrix_of_another_width_never_reaches_native_code() -> None:
    with pytest.raises(ValueError, match="columns"):
        served(network()).predict(np.zeros((2, 5)))


def test_only_its_one_file_is_loaded() -> None:
    files = served(network()).export()
    assert OnnxModel.load(files, BINARY).export() == files
    for wrong in ({}, {**files, "weights.bin": b""}, {"other.onnx": files[FILE]}):
        with pytest.raises(ArtifactRefused, match="wrong files"):
            OnnxModel.load(wrong, BINARY)


def test_what_fails_or_is_not_finite_when_tried_is_refused() -> None:
    zero = {"zero": np.zeros(1, np.float32)}
    shape = Shape("regression", 4, 4)
    endless = model([helper.make_node("Div", ["input", "zero"], ["scores"])], zero, 4, 4)
    with pytest.raises(ArtifactRefused, match="not finite"):
        served(endless, shape)
    places = {"places": np.array([0, 1, 2, 99], np.int64)}
    beyond = model([helper.make_node("Gather", ["input", "places"], ["scores"], axis=1)], places, 4, 4)
    with pytest.raises(ArtifactRefused):
        served(beyond, shape)


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(SettingInvalid, match="GPU"):
        OnnxModel.load(served(network()).export(), BINARY, enable_gpu=True)


def test_on_a_gpu_scores_are_near_those_on_the_cpu() -> None:
    if CUDA not in runtime.get_available_providers():
        pytest.skip("this onnxruntime has no GPU")
    proto, matrix = network(hidden=(512, 512)), rows(5_000)
    estimator = OnnxModel(proto.SerializeToString(), BINARY, enable_gpu=True)
    assert not estimator.exact_batches
    np.testing.assert_allclose(estimator.predict(matrix), served(proto).predict(matrix), atol=1e-4)


def test_threads_do_not_mix_their_rows() -> None:
    estimator, matrix = served(network()), rows(200)
    expected, wrong = estimator.predict(matrix), []
    start = threading.Barrier(4)

    def work(offset: int) -> None:
        start.wait()
        for index in range(offset, 200, 4):
            if not np.array_equal(estimator.predict(matrix[index : index + 1])[0], expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_closed_model_says_so() -> None:
    estimator = served(network())
    estimator.close()
    with pytest.raises(NotReady, match="closed"):
        estimator.predict(rows(1))
