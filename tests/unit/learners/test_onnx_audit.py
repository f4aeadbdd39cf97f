"""The audit before ONNX Runtime. Each case changes one thing in a sound network."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.unit.learners.onnx_graphs import TensorProto, changed, helper, model, network, numpy_helper, trees

from tropism.core.errors import ArtifactRefused
from tropism.learners import onnx_audit
from tropism.learners.base import Shape
from tropism.learners.onnx_audit import audit
from tropism.learners.onnx_model import OnnxModel

SHAPE = Shape("binary", 1, 4)


def refused(data: bytes, shape: Shape = SHAPE) -> str:
    with pytest.raises(ArtifactRefused) as caught:
        audit(data, shape)
    return caught.value.faults[0].field


def test_a_sound_network_passes_for_its_own_shape_only() -> None:
    data = network().SerializeToString()
    audit(data, SHAPE)
    assert refused(data, SHAPE._replace(width=5)) == "input input"
    assert refused(data, SHAPE._replace(outputs=2)) == "scores"


def put(path: str, value: Any) -> Callable[[Any], None]:
    """Sets something deep inside of the proto, such as graph.node[0].op_type."""

    def change(proto: Any) -> None:
        *parents, last = path.replace("[", ".").replace("]", "").split(".")
        for name in parents:
            proto = proto[int(name)] if name.isdigit() else getattr(proto, name)
        setattr(proto, last, value)

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("graph.node[0].op_type", "Loop"),
        put("graph.node[0].op_type", ""),
        put("graph.node[0].domain", "my.plugin"),
        put("graph.node[0].overload", "x"),
        put("graph.input[0].name", "rows"),
        put("graph.output[0].name", "z0"),
        put("graph.input[0].type.tensor_type.elem_type", TensorProto.DOUBLE),
        put("graph.input[0].type.tensor_type.shape.dim[0].dim_value", 1),
        put("graph.input[0].type.tensor_type.shape.dim[1].dim_value", 10**9),
        put("graph.output[0].type.tensor_type.shape.dim[1].dim_param", "M"),
        put("graph.initializer[0].name", "b0"),
        put("graph.initializer[0].name", "input"),
        put("graph.initializer[0].name", ""),
        put("graph.initializer[0].data_type", TensorProto.STRING),
        put("graph.initializer[0].data_type", TensorProto.DOUBLE),
        put("graph.initializer[0].data_type", 999),
        put("graph.initializer[0].data_location", 1),
        put("graph.initializer[0].raw_data", b""),
        put("graph.initializer[0].raw_data", b"\0" * 81),
        put("graph.initializer[0].raw_data", np.full(20, np.nan, "<f4").tobytes()),
        put("graph.initializer[0].raw_data", np.full(20, np.inf, "<f4").tobytes()),
        lambda proto: proto.graph.initializer[0].dims.append(2**40),
        lambda proto: proto.graph.initializer[0].dims.__setitem__(0, 2**62),
        lambda proto: proto.graph.initializer[0].dims.__setitem__(0, -4),
        lambda proto: proto.graph.initializer[0].dims.__setitem__(0, 0),
        lambda proto: proto.graph.initializer[0].float_data.extend([1.0] * 20),
        lambda proto: proto.graph.initializer.pop(0),
        lambda proto: proto.graph.node[0].input.__setitem__(0, "z2"),
        lambda proto: proto.graph.node[0].output.__setitem__(0, "input"),
        lambda proto: proto.graph.node[0].output.append("more"),
        lambda proto: proto.graph.node[0].output.pop(),
        lambda proto: proto.graph.node[0].attribute.extend([helper.make_attribute("transA", 1)]),
        lambda proto: proto.graph.node[0].attribute.extend([helper.make_attribute("alpha", 1.0)] * 2),
        lambda proto: proto.graph.node.pop(),
        lambda proto: proto.graph.node.append(proto.graph.node[0]),
        lambda proto: proto.graph.output.append(proto.graph.output[0]),
        lambda proto: proto.graph.input.append(proto.graph.input[0]),
        lambda proto: proto.graph.output.pop(),
        lambda proto: proto.ClearField("graph"),
        lambda proto: proto.graph.value_info.append(
            helper.make_tensor_value_info("z0", TensorProto.FLOAT, ["N", 2**30])
        ),
    ],
    ids=range(40),
)
def test_what_onnx_runtime_should_not_see_is_refused(change: Callable[[Any], Any]) -> None:
    assert refused(changed(change)) != ""


def test_declared_sizes_may_be_open_or_of_tensors_that_are_gone() -> None:
    def declare(proto: Any) -> None:
        for name, dims in (("z0", ["N", 5]), ("z1", None), ("gone", ["N", 10**9])):
            proto.graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))

    audit(changed(declare), SHAPE)


def test_numbers_that_are_not_raw_are_counted_too() -> None:
    def typed(proto: Any) -> None:
        first = proto.graph.initializer[0]
        values = numpy_helper.to_array(first).ravel().tolist()
        proto.graph.initializer[0].CopyFrom(helper.make_tensor("w0", TensorProto.FLOAT, [4, 5], values))

    audit(changed(typed), SHAPE)

    def short(proto: Any) -> None:
        typed(proto)
        proto.graph.initializer[0].float_data.pop()

    assert refused(changed(short)) == "initializer w0"


def test_constants_in_nodes_are_audited_as_others_are() -> None:
    def add(array: Any) -> Any:
        constant = helper.make_node("Constant", [], ["half"], value=numpy_helper.from_array(array))
        nodes = [constant, helper.make_node("Mul", ["input", "half"], ["scores"])]
        return model(nodes, {}, 4, 4).SerializeToString()

    shape = Shape("multiclass", 4, 4)
    audit(add(np.array([0.5], np.float32)), shape)
    assert refused(add(np.full((3, 4), 0.5, np.float32)), shape).startswith("node 1")
    assert refused(add(np.array([np.nan], np.float32)), shape) == "node 0 (Constant).value"


def test_many_nodes_and_many_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = np.zeros((4, 2**12), np.float32)
    nodes = [helper.make_node("MatMul", ["input", "wide"], ["first"])]
    for index in range(12):
        before = "first" if index == 0 else f"double{index - 1}"
        nodes.append(helper.make_node("Concat", [before, before], [f"double{index}"], axis=1))
    assert refused(model(nodes, {"wide": wide}).SerializeToString()).endswith("(Concat)")
    monkeypatch.setattr(onnx_audit, "MOST_NODES", 5)
    assert refused(network().SerializeToString()) == "node"
    monkeypatch.setattr(onnx_audit, "MOST_BYTES", 400)
    assert refused(network().SerializeToString()) == "size"


@pytest.mark.parametrize("proto", [network(), trees()], ids=["network", "trees"])
def test_broken_files_are_refused_or_leave_a_model_that_scores(proto: Any) -> None:
    """Whatever passes the audit goes on to ONNX Runtime, which must take it or refuse it, and never crash."""
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    whole, chance = bytes(proto.SerializeToString()), random.Random(2)
    rows = np.random.default_rng(0).normal(size=(3, 4))
    outcomes = {"refused": 0, "served": 0}
    for number in range(400):
        data = bytearray(whole)
        if number % 5 == 0:
            data = data[: chance.randrange(len(data))]
        else:
            for _ in range(chance.choice((1, 1, 3))):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            scores = OnnxModel(bytes(data), SHAPE).predict(rows)
        except ArtifactRefused:
            outcomes["refused"] += 1
            continue
        assert scores.shape == (3, 1)
        outcomes["served"] += 1
    assert min(outcomes.values()) > 10
