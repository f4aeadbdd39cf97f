from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import InputError, InvalidInput
from tropism.entrypoints.api.protocols.grpc_messages import (
    load_messages,
    read_outputs,
    read_tensors,
    write_answer,
    write_metadata,
)
from tropism.entrypoints.api.protocols.open_inference_models import Inferred
from tropism.entrypoints.api.protocols.open_inference_outputs import Wanted
from tropism.entrypoints.api.protocols.tensors import DATATYPES, Tensor

PB = load_messages("open_inference")
FIELDS = {
    "bool_contents": st.booleans(),
    "int_contents": st.integers(-(2**31), 2**31 - 1),
    "int64_contents": st.integers(-(2**63), 2**63 - 1),
    "uint_contents": st.integers(0, 2**32 - 1),
    "uint64_contents": st.integers(0, 2**64 - 1),
    "fp32_contents": st.floats(width=32),
    "fp64_contents": st.floats(),
    "bytes_contents": st.binary(max_size=3),
}


def request(*inputs: dict[str, Any], raw: tuple[bytes, ...] = ()) -> Any:
    made = PB.ModelInferRequest(raw_input_contents=raw)
    for one in inputs:
        made.inputs.add(**{"name": "a", "datatype": "FP64", "shape": [1], **one})
    return made


def contents(**fields: list[Any]) -> Any:
    return PB.InferTensorContents(**fields)


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        ("BOOL", "bool_contents", [True, False]),
        ("INT8", "int_contents", [-128, 127]),
        ("INT16", "int_contents", [-1, 1]),
        ("INT32", "int_contents", [-(2**31), 1]),
        ("INT64", "int64_contents", [-(2**63), 1]),
        ("UINT8", "uint_contents", [0, 255]),
        ("UINT16", "uint_contents", [0, 65_535]),
        ("UINT32", "uint_contents", [0, 2**32 - 1]),
        ("UINT64", "uint64_contents", [0, 2**64 - 1]),
        ("FP32", "fp32_contents", [0.5, -2.0]),
        ("FP64", "fp64_contents", [0.1, math.inf]),
    ],
)
def test_typed_contents(datatype: str, field: str, values: list[Any]) -> None:
    asked = request({"datatype": datatype, "shape": [2, 1], "contents": contents(**{field: values})})
    assert read_tensors(asked) == [Tensor("a", datatype, (2, 1), values)]


def test_texts_are_utf8() -> None:
    text = contents(bytes_contents=["größer".encode(), b""])
    asked = request({"datatype": "BYTES", "shape": [2], "contents": text})
    assert read_tensors(asked)[0].values == ["größer", ""]


def test_raw_contents_in_the_order_of_the_inputs() -> None:
    asked = request({}, {"name": "b", "datatype": "INT8", "shape": [2]}, raw=(bytes(8), b"\x01\xff"))
    assert [(one.name, one.values) for one in read_tensors(asked)] == [("a", [0.0]), ("b", [1, -1])]


@pytest.mark.parametrize(
    ("inputs", "raw", "message"),
    [
        ([{"contents": contents(fp64_contents=[1])}], (bytes(8),), "sent twice"),
        ([{"contents": contents()}], (bytes(8),), "sent twice"),
        ([{}], (bytes(8), b""), "not as many raw contents as inputs"),
        ([{}, {}], (bytes(8),), "not as many raw contents as inputs"),
        ([{}], (bytes(7),), "7 bytes, not the 8"),
        ([{"shape": [2**63 - 1]}], (bytes(8),), "8 bytes, not the"),
        ([{"shape": [-1]}], (), "negative dimension"),
        ([{"shape": [2], "contents": contents(fp64_contents=[1])}], (), "1 of the 2 elements"),
        ([{}], (), "0 of the 1 elements"),
        ([{"contents": contents(fp32_contents=[1])}], (), "contents of another datatype"),
        ([{"contents": contents(fp64_contents=[1], int_contents=[1])}], (), "contents of another datatype"),
        ([{"datatype": "FP16"}], (), "no contents of FP16"),
        ([{"datatype": "BF16"}], (), "no contents of BF16"),
        ([{"datatype": "FP8"}], (), "unknown datatype"),
        ([{"datatype": ""}], (), "unknown datatype"),
        ([{"datatype": "INT8", "contents": contents(int_contents=[128])}], (), "not INT8"),
        ([{"datatype": "UINT16", "contents": contents(uint_contents=[65_536])}], (), "not UINT16"),
        ([{"datatype": "BYTES", "contents": contents(bytes_contents=[b"\xff"])}], (), "not UTF-8"),
        ([{"parameters": {"shared_memory_region": PB.InferParameter(string_param="r")}}], (), "shared memory"),
    ],
)
def test_what_does_not_fit_is_named(inputs: list[dict[str, Any]], raw: tuple[bytes, ...], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_tensors(request(*inputs, raw=raw))
    assert message in caught.value.message
    assert caught.value.faults[0].fix


def test_outputs_and_their_parameters() -> None:
    asked = request()
    asked.outputs.add(name="version")
    asked.outputs.add(name="probabilities").parameters["classification"].int64_param = 2
    asked.outputs[1].parameters["empty"].SetInParent()
    assert read_outputs(asked) == [Wanted("version"), Wanted("probabilities", 2)]
    asked.outputs[1].parameters["classification"].string_param = "2"
    with pytest.raises(InvalidInput, match="parameter that does not fit"):
        read_outputs(asked)


FOUND = Inferred(
    "price",
    "4",
    {"variant": "champion"},
    [Tensor("p", "FP64", (1, 2), [0.25, 0.75]), Tensor("q", "BYTES", (1,), ["ab"]), Tensor("r", "BOOL", (1,), [True])],
)


def test_an_answer_is_of_the_form_of_its_request() -> None:
    typed = write_answer(PB, request({}), FOUND)
    assert [list(typed.outputs[0].contents.fp64_contents), list(typed.outputs[0].shape)] == [[0.25, 0.75], [1, 2]]
    assert list(typed.outputs[1].contents.bytes_contents) == [b"ab"]
    assert list(typed.outputs[2].contents.bool_contents) == [True]
    assert not typed.raw_output_contents
    raw = write_answer(PB, request({}, raw=(bytes(8),)), FOUND)
    assert list(raw.raw_output_contents)[1:] == [b"\x02\x00\x00\x00ab", b"\x01"]
    assert not any(one.HasField("contents") for one in raw.outputs)
    assert (raw.model_name, raw.model_version, raw.parameters["variant"].string_param) == ("price", "4", "champion")


def test_metadata_are_a_message() -> None:
    one = {"name": "demand", "datatype": "FP64", "shape": [-1]}
    made = write_metadata(
        PB,
        {"name": "p", "versions": ["4"], "platform": "t", "inputs": [one], "outputs": [], "properties": {"kind": "b"}},
    )
    assert list(made.inputs[0].shape) == [-1]
    assert dict(made.properties) == {"kind": "b"}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from([*DATATYPES, "?"]),
    st.lists(st.integers(-1, 3), max_size=3),
    st.dictionaries(st.sampled_from(sorted(FIELDS)), st.none(), max_size=2),
    st.lists(st.binary(max_size=12), max_size=2),
    st.data(),
)
def test_any_message_is_read_or_refused(
    datatype: str, shape: list[int], chosen: dict[str, None], raw: list[bytes], data: st.DataObject
) -> None:
    fields = {field: data.draw(st.lists(FIELDS[field], max_size=3)) for field in chosen}
    one = {"datatype": datatype, "shape": shape} | ({"contents": contents(**fields)} if fields else {})
    try:
        (found,) = read_tensors(request(one, raw=tuple(raw)))
    except InputError:
        return
    assert len(found.values) == math.prod(shape)
