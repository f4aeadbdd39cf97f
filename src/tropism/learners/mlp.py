"""Multi-layer perceptrons, trained by scikit-learn and served as an ONNX graph.

Training: Kingma, Ba, Adam: A Method for Stochastic Optimization, 2015. Start: Glorot, Bengio, Understanding the
difficulty of training deep feedforward neural networks, 2010.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from tropism.core.errors import Fault, SettingInvalid, TrainingFailed
from tropism.core.plugins import require
from tropism.learners.base import Learner, Shape, Style
from tropism.learners.onnx_model import FILE, OnnxModel
from tropism.learners.validation import real, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from tropism.core.task import Kind, Task
    from tropism.learners.base import Encoded, Estimator, Floats

    Singles = npt.NDArray[np.float32]

MOST_LAYERS, MOST_UNITS = 8, 4_096
_OPSET, _IR = 17, 8
_LARGEST = 1e30


class _Layer(NamedTuple):
    """Weights (in, out) and bias (out,)."""

    weights: Singles
    bias: Singles


class MLP(Learner):
    """Layers of rectified units, in single precision, trained by Adam on the log loss or the squared error.

    Numbers are learnt as standard scores, so that one `rate` suits any target. Needs the extra `onnx`.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"binary", "multiclass", "regression"})
    style: ClassVar[Style] = "standard"

    def __init__(
        self,
        *,
        hidden: str = "32,32",
        epochs: int = 40,
        rate: float = 0.002,
        batch_size: int = 128,
        l2: float = 1e-4,
    ) -> None:
        """Raises `SettingInvalid` for a value out of range. `hidden`: units of each layer, such as "512,512"."""
        self._units = _units(hidden)
        self.hidden = hidden
        self.epochs = whole("epochs", epochs, 1, 10_000)
        self.rate = real("rate", rate, 1e-6, 1.0)
        self.batch_size = whole("batch_size", batch_size, 1, 100_000)
        self.l2 = real("l2", l2, 0.0, 1e6)

    def _fit(self, data: Encoded, task: Task, seed: int) -> Estimator:
        onnx = require("onnx", "onnx")
        shape = Shape.of(task, data.matrix.shape[1])
        center, scale = _standard(data) if task.kind == "regression" else (0.0, 1.0)
        network = self._train(data, task, seed, (data.labels - center) / (scale or 1.0))
        layers = [
            _Layer(weights.astype(np.float32), bias.astype(np.float32))
            for weights, bias in zip(network.coefs_, network.intercepts_, strict=True)
        ]
        layers[-1] = _last(layers[-1], shape, center, scale)
        if not all(np.all(np.abs(array) < _LARGEST) for layer in layers for array in layer):
            fix = "lower the rate, or rescale the target"
            raise TrainingFailed(f"the network of '{task.name}' did not stay finite", Fault(task.target, "", fix))
        estimator = OnnxModel.load({FILE: _graph(onnx, layers, shape)}, shape)
        estimator.framework = _framework(network, shape, center, scale)
        return estimator

    def _train(self, data: Encoded, task: Task, seed: int, targets: Floats) -> Any:
        from sklearn.neural_network import MLPClassifier, MLPRegressor
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        network = (MLPRegressor if task.kind == "regression" else MLPClassifier)(
            hidden_layer_sizes=self._units,
            learning_rate_init=self.rate,
            batch_size=min(self.batch_size, len(targets)),
            alpha=self.l2,
            random_state=seed % 2**32,
        )
        known: dict[str, Any] = {}
        if task.kind != "regression":  # scikit-learn would leave out a class that has no rows
            known["classes"] = np.arange(2 if task.kind == "binary" else len(task.classes))
        matrix = data.matrix.astype(np.float32)
        # One thread: equal sums every time. One call is one pass over the rows, in an order of its own.
        with threadpool_limits(1, "blas"), np.errstate(over="ignore", invalid="ignore"):
            try:
                for _ in range(self.epochs):
                    network.partial_fit(matrix, targets, sample_weight=data.weights, **known)
            except ValueError as error:
                fix = "lower the rate, or look at the data"
                raise TrainingFailed(
                    f"scikit-learn could not fit '{task.name}': {error}", Fault(task.target, "", fix)
                ) from error
        return network


def _units(hidden: str) -> tuple[int, ...]:
    words = hidden.split(",") if isinstance(hidden, str) else []
    units = [int(word) if word.strip().isascii() and word.strip().isdigit() else 0 for word in words]
    if not 1 <= len(units) <= MOST_LAYERS or not all(1 <= count <= MOST_UNITS for count in units):
        fix = f'use 1 to {MOST_LAYERS} numbers of 1 to {MOST_UNITS} with commas between them, such as "512,512"'
        raise SettingInvalid("the layers are out of range", Fault("parameters.hidden", repr(hidden)[:80], fix))
    return tuple(units)


def _standard(data: Encoded) -> tuple[float, float]:
    """Mean and standard deviation of the labels; the deviation is 0 when all are equal."""
    labels, weights = data.labels, data.weights
    if np.all(labels == labels[0]):
        return float(labels[0]), 0.0
    center = float(np.average(labels, weights=weights))
    largest = float(np.max(np.abs(labels - center)))
    return center, largest * float(np.sqrt(np.average(((labels - center) / largest) ** 2, weights=weights)))


def _last(layer: _Layer, shape: Shape, center: float, scale: float) -> _Layer:
    """The last layer as it is served: numbers on their own scale, and one output a class even for two classes."""
    if shape.kind == "regression":
        with np.errstate(over="ignore", invalid="ignore"):
            weights, bias = layer.weights * scale, layer.bias.astype(np.float64) * scale + center
            return _Layer(weights.astype(np.float32), bias.astype(np.float32))
    if shape.kind == "multiclass" and shape.outputs > layer.weights.shape[1]:
        # scikit-learn gives two classes one unit, the log-odds of the second: that of the first is 0.
        return _Layer(
            np.hstack([np.zeros_like(layer.weights), layer.weights]), np.hstack([np.zeros_like(layer.bias), layer.bias])
        )
    return layer


def _graph(onnx: Any, layers: Sequence[_Layer], shape: Shape) -> bytes:
    """The network as ONNX: `Gemm` and `Relu` by turns, and the link of the kind."""
    helper, single = onnx.helper, onnx.TensorProto.FLOAT
    constants, nodes, name = [], [], "input"
    for index, layer in enumerate(layers):
        constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(layer.weights), f"weights{index}"))
        constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(layer.bias), f"bias{index}"))
        last = index == len(layers) - 1
        result = f"sum{index}" if not last else "scores" if shape.kind == "regression" else "raw"
        nodes.append(helper.make_node("Gemm", [name, f"weights{index}", f"bias{index}"], [result]))
        if not last:
            nodes.append(helper.make_node("Relu", [result], [f"units{index}"]))
            name = f"units{index}"
    link = {"binary": "Sigmoid", "multiclass": "Softmax"}.get(shape.kind)
    if link is not None:
        nodes.append(helper.make_node(link, ["raw"], ["scores"]))
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("input", single, ["N", shape.width])],
        [helper.make_tensor_value_info("scores", single, ["N", shape.outputs])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
    return bytes(model.SerializeToString(deterministic=True))


def _framework(network: Any, shape: Shape, center: float, scale: float) -> Callable[[Floats], Floats]:
    def scores(matrix: Floats) -> Floats:
        single = matrix.astype(np.float32)
        if shape.kind == "regression":
            return np.asarray(network.predict(single), np.float64).reshape(-1, 1) * scale + center
        found = np.asarray(network.predict_proba(single), np.float64)
        return found[:, 1:] if shape.kind == "binary" else found / found.sum(axis=1, keepdims=True)

    return scores
