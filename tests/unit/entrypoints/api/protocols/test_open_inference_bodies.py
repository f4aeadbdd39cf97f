from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import InputError, InvalidInput, MalformedBody
from tropism.entrypoints.api.protocols.open_inference_bodies import read_inference, write_inference
from tropism.entrypoints.api.protocols.open_inference_models import Inferred
from tropism.entrypoints.api.protocols.open_inference_outputs import Wanted
from tropism.entrypoints.api.protocols.tensors import Tensor

PLAIN = {"name": "a", "shape": [2], "datatype": "FP64", "data": [1.5, 2]}
RAW = np.array([3, 4], np.int32).tobytes()
BINARY = {"name": "b", "shape": [2], "datatype": "INT32", "parameters": {"binary_data_size": 8}}
FOUND = Inferred(
    "price", "4", {"variant": "champion"}, [Tensor("p", "BOOL", (2,), [True, False]), Tensor("q", "BYTES", (1,), ["x"])]
)


def document(*inputs: Any, **fields: Any) -> bytes:
    return json.dumps({"inputs": inputs, **fields}).encode()


def sent(*inputs: Any, raw: bytes = b"", **fields: Any) -> tuple[bytes, bytes]:
    """A body with bytes after its JSON, and the header that says where they begin."""
    text = document(*inputs, **fields)
    return text + raw, str(len(text)).encode()


def test_json_alone() -> None:
    found = read_inference(document(PLAIN, id="7", outputs=[{"name": "p"}], parameters={"other": {}}), None)
    assert found.tensors == [Tensor("a", "FP64", (2,), [1.5, 2.0])]
    assert found.outputs == [Wanted("p")]
    assert (found.id, found.binary) == ("7", False)


def test_bytes_follow_the_json_in_the_order_of_the_inputs() -> None:
    text = {**BINARY, "name": "c", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 5}}
    found = read_inference(*sent(BINARY, PLAIN, text, raw=RAW + b"\x01\x00\x00\x00z"))
    assert [(one.name, one.values) for one in found.tensors] == [("b", [3, 4]), ("a", [1.5, 2.0]), ("c", ["z"])]


def test_the_header_may_say_that_all_is_json() -> None:
    assert read_inference(*sent(PLAIN)).tensors[0].values == [1.5, 2.0]


def test_outputs_are_binary_where_it_is_said() -> None:
    outputs = [{"name": "p"}, {"name": "q", "parameters": {"binary_data": False}}]
    found = read_inference(document(PLAIN, outputs=outputs, parameters={"binary_data_output": True}), None)
    assert found.outputs == [Wanted("p", binary=True), Wanted("q", binary=False)]


@pytest.mark.parametrize(
    ("body", "length", "error", "message"),
    [
        (b"", None, MalformedBody, "empty"),
        (document(PLAIN)[:-4], None, MalformedBody, "cut off"),
        (document(PLAIN).replace(b"1.5", b"NaN"), None, MalformedBody, "NaN is not a JSON number"),
        (document(PLAIN).decode().encode("utf-16"), None, MalformedBody, "not"),
        (document(PLAIN).replace(b"1.5", b"[" * 9_000), None, MalformedBody, "deeply"),
        (b"[" * 9_000, None, InvalidInput, "not one to infer"),
        (b"[]", None, InvalidInput, "not one to infer"),
        (document({**PLAIN, "shape": "2"}), None, InvalidInput, "not one to infer"),
        (document({**PLAIN, "data": 1}), None, InvalidInput, "not one to infer"),
        (document(PLAIN, id=7), None, InvalidInput, "not one to infer"),
        (document(PLAIN, parameters={"binary_data_output": "yes"}), None, InvalidInput, "parameter of the request"),
        (document({**PLAIN, "parameters": {"shared_memory_region": "r"}}), None, InvalidInput, "shared memory"),
        (document({**BINARY, "parameters": {}}), None, InvalidInput, "neither data nor binary_data_size"),
        (document(BINARY) + RAW, None, MalformedBody, "not JSON"),
        (document(BINARY), None, InvalidInput, "nothing says where the JSON ends"),
        (*sent({**BINARY, "data": [1, 2]}, raw=RAW), InvalidInput, "both data and binary_data_size"),
        (*sent(BINARY, raw=RAW[:5]), InvalidInput, 'the body ends in the bytes of input "b"'),
        (*sent(BINARY, raw=RAW + b"x"), InvalidInput, "left over"),
        (*sent(PLAIN, raw=b"x"), InvalidInput, "left over"),
        (*sent({**BINARY, "shape": [3]}, raw=RAW), InvalidInput, "8 bytes, not the 12"),
        (*sent({**BINARY, "parameters": {"binary_data_size": -1}}, raw=RAW), InvalidInput, "parameter"),
        (*sent({**BINARY, "parameters": {"binary_data_size": 2**70}}, raw=RAW), InvalidInput, "body ends"),
        (*sent({**BINARY, "parameters": {"binary_data_size": True}}, raw=RAW), InvalidInput, "parameter"),
        (document(PLAIN), b"0", MalformedBody, "where the JSON ends"),
        (document(PLAIN), b"-1", MalformedBody, "where the JSON ends"),
        (document(PLAIN), b"1e3", MalformedBody, "where the JSON ends"),
        (document(PLAIN), b"9" * 5_000, MalformedBody, "where the JSON ends"),
        (document(PLAIN), b"99999", MalformedBody, "where the JSON ends"),
        (document(PLAIN), b"5", MalformedBody, "cut off"),
    ],
)
def test_what_does_not_fit_is_named(body: bytes, length: bytes | None, error: type[InputError], message: str) -> None:
    with pytest.raises(error) as caught:
        read_inference(body, length)
    assert message in caught.value.message
    assert caught.value.faults[0].fix


def test_a_reply_in_json() -> None:
    reply = write_inference(read_inference(document(PLAIN, id=""), None), FOUND)
    assert reply.status == 200
    assert dict(reply.headers)[b"content-type"] == b"application/json"
    assert json.loads(reply.body) == {
        "model_name": "price",
        "model_version": "4",
        "id": "",
        "parameters": {"variant": "champion"},
        "outputs": [
            {"name": "p", "datatype": "BOOL", "shape": [2], "data": [True, False]},
            {"name": "q", "datatype": "BYTES", "shape": [1], "data": ["x"]},
        ],
    }


def test_a_reply_with_bytes_says_where_its_json_ends() -> None:
    asked = read_inference(document(PLAIN, outputs=[{"name": "q", "parameters": {"binary_data": True}}]), None)
    reply = write_inference(asked, FOUND)
    headers = dict(reply.headers)
    assert headers[b"content-type"] == b"application/octet-stream"
    end = int(headers[b"inference-header-content-length"])
    content = json.loads(reply.body[:end])
    assert "id" not in content
    assert content["outputs"][0]["data"] == [True, False]
    assert content["outputs"][1]["parameters"] == {"binary_data_size": 5}
    assert reply.body[end:] == b"\x01\x00\x00\x00x"


LENGTHS = st.none() | st.integers(-3, 200).map(lambda number: str(number).encode()) | st.binary(max_size=6)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=80), LENGTHS)
def test_any_bytes_are_read_or_refused(body: bytes, length: bytes | None) -> None:
    with pytest.raises(InputError):
        read_inference(body, length)


INPUT = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b"]),
        "shape": st.lists(st.integers(-1, 3) | st.sampled_from([2**63, None]), max_size=3),
        "datatype": st.sampled_from(["FP64", "INT8", "BOOL", "BYTES", "FP16", "?"]),
    },
    optional={
        "data": st.lists(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=2), max_size=4),
        "parameters": st.dictionaries(
            st.sampled_from(["binary_data_size", "x"]), st.integers(-1, 9) | st.none() | st.booleans(), max_size=2
        ),
    },
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(INPUT, max_size=3), st.binary(max_size=20), st.integers(-4, 4), st.integers(0, 12))
def test_damaged_requests_are_read_or_refused(inputs: list[Any], raw: bytes, off: int, cut: int) -> None:
    body, length = sent(*inputs, raw=raw)
    shifted = str(int(length) + off).encode() if cut < 4 else length
    try:
        found = read_inference(body[: len(body) - cut] if cut > 8 else body, shifted)
    except InputError:
        return
    assert len(found.tensors) == len(inputs)
