"""The operators that a graph may use, and how wide what they give is.

Each tensor is either rows, one for each row of the input, or fixed, the same for all. The rules below are written
for matrices, so that no operator can mix rows, and a graph cannot give more than it was checked for: broadcasting
and concatenation could otherwise grow a few kilobytes of graph into more memory than there is.
Operators: https://onnx.ai/onnx/operators and ContribOperators.md of ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

from tropism.learners.onnx_protobuf import refused
from tropism.learners.onnx_trees import check_trees

MOST_NUMBERS = 2**24
"""Numbers in one fixed tensor, or in one row."""
_MOST_RANK = 2


class Rows(NamedTuple):
    """A row of `columns` numbers for each row of the input."""

    columns: int


class Fixed(NamedTuple):
    """A tensor that is the same for any input. `values` are kept of short lists of whole numbers only."""

    shape: tuple[int, ...]
    values: tuple[int, ...] | None = None


Sizes = list[Rows | Fixed]
Size = Rows | Fixed | None
"""None: an input that was left out."""


class Step(NamedTuple):
    """One node: its name for errors, what it takes, and its attributes by name."""

    where: str
    inputs: Sequence[Size]
    attributes: dict[str, Any]

    def refuse(self, fix: str) -> Exception:
        return refused(self.where, ", ".join(str(size) for size in self.inputs)[:160], fix)

    def take(self, index: int) -> Rows | Fixed:
        size = self.inputs[index] if index < len(self.inputs) else None
        if size is None:
            raise self.refuse(f"input {index} is missing")
        return size

    def rest(self, start: int) -> Sizes:
        return [size for size in self.inputs[start:] if size is not None]


Rule = Callable[[Step], Sizes]


def _same(step: Step) -> Sizes:
    """As its first input; further ones are bounds, scales and zero points."""
    step.take(0)
    if any(isinstance(size, Rows) for size in step.rest(1)):
        raise step.refuse("only its first input may depend on the rows")
    return [_joined(step, step.inputs)]


def _broadcast(step: Step) -> Sizes:
    step.take(0)
    return [_joined(step, step.inputs)]


def _joined(step: Step, sizes: Sequence[Size]) -> Rows | Fixed:
    found = [size for size in sizes if size is not None]
    shape: tuple[int, ...] = ()
    for size in found:
        shape = _wider(step, shape, (1, size.columns) if isinstance(size, Rows) else size.shape)
    if not any(isinstance(size, Rows) for size in found):
        return Fixed(shape)
    if shape[0] != 1:
        raise step.refuse("a fixed matrix cannot be combined with rows")
    return Rows(shape[1])


def _wider(step: Step, first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    rank = max(len(first), len(second))
    pairs = zip((1,) * (rank - len(first)) + first, (1,) * (rank - len(second)) + second, strict=True)
    out = []
    for a, b in pairs:
        if a != b and 1 not in (a, b):
            raise step.refuse("the shapes do not fit")
        out.append(max(a, b))
    return tuple(out)


def _product(rows: int, matrix: int, transposed: str = "", bias: int | None = None) -> Rule:
    """Rows times a fixed matrix; `rows`, `matrix` and `bias` are places among the inputs, the others are scalars."""

    def rule(step: Step) -> Sizes:
        left, right = step.take(rows), step.take(matrix)
        if not isinstance(left, Rows) or not isinstance(right, Fixed) or len(right.shape) != _MOST_RANK:
            raise step.refuse("rows are multiplied by a fixed matrix")
        flipped = bool(transposed and step.attributes.get(transposed, 0))
        inner, outer = right.shape[::-1] if flipped else right.shape
        forbidden = [name for name in ("transA", "transBatchA", "transBatchB") if step.attributes.get(name, 0)]
        if left.columns != inner or forbidden:
            raise step.refuse("the rows do not fit the matrix")
        for index, size in enumerate(step.inputs):
            if index in (rows, matrix) or size is None:
                continue
            scalars = index != bias and isinstance(size, Fixed) and size.shape in ((), (1,), (outer,))
            if not scalars and _joined(step, [Rows(outer), size]) != Rows(outer):
                raise step.refuse("the bias does not fit the matrix")
        return [Rows(outer)]

    return rule


def _dynamic(step: Step) -> Sizes:
    return [step.take(0), Fixed(()), Fixed(())]


def _concat(step: Step) -> Sizes:
    _last_axis(step, 0)
    columns = [size.columns for size in step.inputs if isinstance(size, Rows)]
    if not columns or len(columns) != len(step.inputs):
        raise step.refuse("only rows are joined")
    return [Rows(sum(columns))]


def _gather(step: Step) -> Sizes:
    _last_axis(step, 0)
    data, places = step.take(0), step.take(1)
    if not isinstance(data, Rows) or not isinstance(places, Fixed) or len(places.shape) != 1:
        raise step.refuse("columns are picked from rows by a fixed list")
    return [Rows(places.shape[0])]


def _normalised(step: Step) -> Sizes:
    _last_axis(step, -1)
    return _same(step)


def _batch_normalised(step: Step) -> Sizes:
    if step.attributes.get("training_mode", 0):
        raise step.refuse("means over rows are for training")
    return _same(step)


def _quantised(step: Step) -> Sizes:
    """A scale and a zero point, for all numbers or for each along one axis."""
    if not all(isinstance(size, Fixed) and len(size.shape) < _MOST_RANK for size in step.rest(1)):
        raise step.refuse("scales and zero points are fixed")
    return [step.take(0)]


def _reduced(step: Step) -> Sizes:
    """One number a row; the axis is an attribute, or the second input in newer versions."""
    size, axes = step.take(0), step.attributes.get("axes")
    if len(step.inputs) > 1:
        second = step.take(1)
        axes = list(second.values or ()) if isinstance(second, Fixed) else None
    if axes not in ([1], [-1]) or step.attributes.get("keepdims", 1) != 1 or not isinstance(size, Rows):
        raise step.refuse("it must work on the columns, axis 1, and keep it")
    return [Rows(1)]


def _trees(step: Step) -> Sizes:
    size = step.take(0)
    if not isinstance(size, Rows) or len(step.inputs) != 1:
        raise step.refuse("trees take rows")
    return [Rows(check_trees(step.where, step.attributes, size.columns))]


def _flat(step: Step) -> Sizes:
    size = step.take(0)
    if step.attributes.get("axis", 1) != 1 or not isinstance(size, Rows):
        raise step.refuse("rows stay rows")
    return [size]


def _last_axis(step: Step, default: int) -> None:
    if step.attributes.get("axis", default) not in (1, -1):
        raise step.refuse("it must work on the columns, axis 1")


_ELEMENTWISE: tuple[str, ...] = (
    *("Abs", "Cast", "Clip", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN"),
    *("LeakyRelu", "Log", "Neg", "Not", "Reciprocal", "Relu", "Selu", "Sigmoid", "Softplus", "Sqrt", "Tanh"),
)
_BROADCASTING: tuple[str, ...] = (
    *("Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
    *("Max", "Min", "Mul", "Or", "PRelu", "Pow", "Sub", "Where"),
)
RULES: dict[str, dict[str, Rule]] = {
    "": {
        **dict.fromkeys(_ELEMENTWISE, _same),
        **dict.fromkeys(_BROADCASTING, _broadcast),
        "BatchNormalization": _batch_normalised,
        "Concat": _concat,
        "DequantizeLinear": _quantised,
        "DynamicQuantizeLinear": _dynamic,
        "Flatten": _flat,
        "Gather": _gather,
        "Gemm": _product(0, 1, "transB", bias=2),
        "LayerNormalization": _normalised,
        "MatMul": _product(0, 1),
        "MatMulInteger": _product(0, 1),
        **dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"), _reduced),
        "QLinearMatMul": _product(0, 3),
        "QuantizeLinear": _quantised,
        "Softmax": _normalised,
    },
    "ai.onnx.ml": {"TreeEnsembleRegressor": _trees},
    "com.microsoft": {
        "DequantizeLinear": _quantised,
        "DynamicQuantizeMatMul": _product(0, 1, bias=4),
        "FusedGemm": _product(0, 1, "transB", bias=2),
        "FusedMatMul": _product(0, 1, "transB"),
        "Gelu": _same,
        "MatMulIntegerToFloat": _product(0, 1, bias=6),
        "QLinearSigmoid": _quantised,
        "QLinearSoftmax": _quantised,
        "QGemm": _product(0, 3, "transB", bias=6),
        "QuantizeLinear": _quantised,
        "QuickGelu": _same,
    },
}
"""By domain and operator. Each rule gives the sizes of a node's outputs, or refuses the node."""


def sizes(domain: str, operator: str, step: Step) -> Sizes:
    """The sizes of what a node gives.

    Raises:
        ArtifactRefused: the operator is not allowed, or not with such inputs.
    """
    rule = RULES.get("" if domain == "ai.onnx" else domain, {}).get(operator)
    if rule is None:
        raise refused(step.where, f"{domain}.{operator}"[:80], "this operator is not allowed")
    found = rule(step)
    for size in found:
        numbers = size.columns if isinstance(size, Rows) else prod(size.shape)
        if numbers > MOST_NUMBERS or (isinstance(size, Fixed) and len(size.shape) > _MOST_RANK):
            raise step.refuse(f"it gives too much: at most {MOST_NUMBERS} numbers a row, in two dimensions")
    return found
