from __future__ import annotations

import numpy as np
import pytest
from tests.unit.learners.onnx_graphs import helper, model, network, numpy_helper, onnx

from tropism.core.errors import ArtifactRefused
from tropism.learners.onnx_protobuf import read_model


def refused(data: bytes) -> str:
    with pytest.raises(ArtifactRefused) as caught:
        read_model(data)
    return caught.value.faults[0].field


def test_it_reads_what_onnx_writes() -> None:
    proto = network()
    read = read_model(proto.SerializeToString())
    assert read["ir_version"] == proto.ir_version
    assert [node["op_type"] for node in read["graph"]["node"]] == [node.op_type for node in proto.graph.node]
    assert [node["input"] for node in read["graph"]["node"]] == [list(node.input) for node in proto.graph.node]
    first = read["graph"]["initializer"][0]
    assert (first["name"], first["dims"], first["data_type"]) == ("w0", [4, 5], 1)
    np.testing.assert_array_equal(
        np.frombuffer(first["raw_data"], "<f4").reshape(4, 5), numpy_helper.to_array(proto.graph.initializer[0])
    )
    dims = read["graph"]["input"][0]["type"]["tensor_type"]["shape"]["dim"]
    assert [(dim["dim_value"], dim["dim_param"]) for dim in dims] == [(None, "N"), (4, None)]


def test_numbers_of_attributes_are_read_packed_or_not_and_below_zero() -> None:
    node = helper.make_node("Softmax", ["input"], ["scores"], axis=-1)
    other = helper.make_node("X", ["input"], ["y"], some=[3, -2], reals=[0.5, 1.5], words=["a", "b"])
    read = read_model(model([node, other], {}).SerializeToString())["graph"]["node"]
    assert read[0]["attribute"][0]["i"] == -1
    found = {attribute["name"]: attribute for attribute in read[1]["attribute"]}
    assert found["some"]["ints"] == [3, -2]
    assert np.frombuffer(b"".join(found["reals"]["floats"]), "<f4").tolist() == [0.5, 1.5]
    assert found["words"]["strings"] == ["a", "b"]
    packed = bytes([7 << 3 | 2, 4, 1 << 3 | 2, 2]) + b"\x0a\x00"  # an empty node in a graph
    assert read_model(packed)["graph"]["node"][0]["op_type"] is None


def test_a_file_cut_off_anywhere_is_refused_or_short() -> None:
    data = network().SerializeToString()
    whole = read_model(data)
    for end in range(len(data)):
        try:
            assert read_model(data[:end]) != whole
        except ArtifactRefused:
            continue


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"\x08",
        b"\x08" + b"\xff" * 10,
        b"\x08" + b"\xff" * 9 + b"\x7f",
        b"\x0b\x08\x01\x0c",
        b"\x3a\xff\xff\xff\xff\x0f",
        b"\x3a\x05\x0a",
        b"\x12\x02\xff\xfe",
        b"\x09" + b"\0" * 8,
        b"\x0d" + b"\0" * 4,
        b"\x08\x01\x08\x01",
        b"\x3a\x00\x3a\x00",
        b"\x06",
    ],
    ids=range(13),
)
def test_bytes_that_are_no_model_are_refused(data: bytes) -> None:
    refused(data)


def test_graphs_inside_of_nodes_functions_and_other_files_are_refused() -> None:
    inner = helper.make_graph([], "inner", [], [])
    loop = helper.make_node("If", ["input"], ["scores"], then_branch=inner, else_branch=inner)
    assert refused(model([loop], {}).SerializeToString()) == "model.graph.node.attribute, field 6"
    proto = network()
    proto.functions.add().name = "mine"
    assert refused(proto.SerializeToString()) == "model, field 25"
    proto = network()
    proto.training_info.add()
    assert refused(proto.SerializeToString()) == "model, field 20"
    proto = network()
    proto.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")
    assert refused(proto.SerializeToString()) == "model.graph.initializer, field 13"
    proto = network()
    proto.graph.sparse_initializer.add()
    assert refused(proto.SerializeToString()) == "model.graph, field 15"
    proto = network()
    proto.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = 1
    assert refused(proto.SerializeToString()).startswith("model.graph.input.type, field")
    assert onnx.__version__


def test_absurd_texts_are_refused() -> None:
    proto = network()
    proto.doc_string = "x" * 70_000
    assert refused(proto.SerializeToString()) == "model.doc_string"
