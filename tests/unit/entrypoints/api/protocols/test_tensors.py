from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import InvalidInput
from tropism.entrypoints.api.protocols.tensors import (
    DATATYPES,
    Tensor,
    from_bytes,
    from_json,
    from_values,
    to_bytes,
)

triton = pytest.importorskip("tritonclient.utils")
floats = pytest.importorskip("ml_dtypes")

NUMBERS = sorted(set(DATATYPES) - {"BYTES", "BOOL", "BF16"})


@pytest.mark.parametrize("datatype", NUMBERS)
def test_bytes_are_what_numpy_would_send(datatype: str) -> None:
    array = np.array([[0, 1, 2], [3, 4, 100]], triton.triton_to_np_dtype(datatype))
    tensor = from_bytes("a", datatype, array.shape, array.tobytes())
    assert tensor.values == array.ravel().tolist()
    assert to_bytes(tensor) == array.tobytes()


def test_half_precision_of_both_kinds() -> None:
    numbers = [1.5, -2.0, 0.0, 65280.0]
    half = np.array(numbers[:3], np.float16)
    brain = np.array(numbers, floats.bfloat16)
    assert from_bytes("a", "FP16", (3,), half.tobytes()).values == numbers[:3]
    assert from_bytes("a", "BF16", (4,), brain.tobytes()).values == numbers


def test_not_a_number_and_infinity_come_through_as_bytes() -> None:
    values = from_bytes("a", "FP32", (2,), np.array([math.nan, math.inf], np.float32).tobytes()).values
    assert math.isnan(values[0])
    assert values[1] == math.inf


def test_texts_are_as_the_client_serialises_them() -> None:
    texts = ["", "north", "größer", "a\x00b"]
    sent = triton.serialize_byte_tensor(np.array([text.encode() for text in texts], np.object_)).item()
    tensor = from_bytes("a", "BYTES", (4,), sent)
    assert tensor.values == texts
    assert to_bytes(tensor) == sent


def test_booleans_are_bytes_of_zero_and_one() -> None:
    tensor = from_bytes("a", "BOOL", (3,), b"\x01\x00\x01")
    assert tensor.values == [True, False, True]
    assert to_bytes(tensor) == b"\x01\x00\x01"
    with pytest.raises(InvalidInput, match="not BOOL") as caught:
        from_bytes("a", "BOOL", (3,), b"\x01\x02\x01")
    assert caught.value.faults[0].field == "data[1]"


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]]])
def test_json_may_be_flat_or_nested(data: list[Any]) -> None:
    assert from_json("a", "INT16", (2, 3), data).values == [1, 2, 3, 4, 5, 6]


def test_json_rounds_to_what_bytes_would_hold() -> None:
    assert from_json("a", "FP32", (2,), [0.1, 3]).values == [float(np.float32(0.1)), 3.0]
    assert from_json("a", "FP64", (1,), [0.1]).values == [0.1]


def test_a_null_is_a_missing_value() -> None:
    assert from_json("a", "FP32", (2,), [None, 1]).values == [None, 1.0]
    assert from_json("a", "BYTES", (2,), [None, "x"]).values == [None, "x"]


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "message"),
    [
        ("FP33", [1], [1], "unknown datatype"),
        ("fp32", [1], [1], "unknown datatype"),
        ("FP16", [1], [1], "JSON has no FP16"),
        ("BF16", [1], [1], "JSON has no BF16"),
        ("FP64", [-1], [1], "negative dimension"),
        ("FP64", [2**63], [1], "1 of the 9223372036854775808 elements"),
        ("FP64", [2**63, 0, 2], [1], "1 of the 0 elements"),
        ("FP64", [1] * 9, [1], "too many dimensions"),
        ("FP64", [3], [1, 2], "2 of the 3 elements"),
        ("FP64", [2, 2], [[1, 2], [3]], "not nested as its shape"),
        ("FP64", [2, 2], [[1, 2], 3], "not nested as its shape"),
        ("FP64", [2], [[1], [2]], "not FP64"),
        ("FP64", [2, 1], [[[1]], [[2]]], "not FP64"),
        ("FP64", [1], ["1"], "not FP64"),
        ("FP64", [1], [True], "not FP64"),
        ("FP64", [1], [10**400], "not FP64"),
        ("FP32", [1], [1e39], "not FP32"),
        ("INT8", [2], [1, 128], "not INT8"),
        ("UINT8", [1], [-1], "not UINT8"),
        ("UINT64", [1], [2**64], "not UINT64"),
        ("INT64", [1], [1.5], "not INT64"),
        ("INT64", [1], [True], "not INT64"),
        ("BOOL", [1], [1], "not BOOL"),
        ("BYTES", [1], [1], "not BYTES"),
    ],
)
def test_what_does_not_fit_is_named(datatype: str, shape: list[int], data: list[Any], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        from_json("a", datatype, shape, data)
    assert message in caught.value.message
    assert '"a"' in caught.value.message
    assert caught.value.faults[0].fix


@pytest.mark.parametrize(
    ("datatype", "shape", "raw", "message"),
    [
        ("FP32", [2], bytes(7), "7 bytes, not the 8"),
        ("FP64", [2**63], bytes(8), "8 bytes, not the 73786976294838206464"),
        ("INT8", [-2], bytes(2), "negative dimension"),
        ("BYTES", [1], b"\x01\x00\x00", "ends in an element"),
        ("BYTES", [1], b"\x02\x00\x00\x00a", "ends in an element"),
        ("BYTES", [1], b"\xff\xff\xff\xffa", "ends in an element"),
        ("BYTES", [2], b"\x01\x00\x00\x00a", "1 of the 2 elements"),
        ("BYTES", [1], b"\x01\x00\x00\x00\xff", "not UTF-8"),
        ("STRING", [1], b"", "unknown datatype"),
    ],
)
def test_bytes_that_do_not_fit_are_named(datatype: str, shape: list[int], raw: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        from_bytes("a", datatype, shape, raw)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from([*DATATYPES, "", "X"]),
    st.lists(st.integers(-1, 4) | st.sampled_from([2**31, 2**63]), max_size=3),
    st.binary(max_size=40),
)
def test_any_bytes_are_a_tensor_or_refused(datatype: str, shape: list[int], raw: bytes) -> None:
    try:
        tensor = from_bytes("a", datatype, shape, raw)
    except InvalidInput:
        return
    assert len(tensor.values) == math.prod(shape)
    if datatype != "BF16":
        again = to_bytes(tensor)
        assert len(again) == len(raw)
        assert again == raw or any(value != value for value in tensor.values), "only a NaN has several forms"


JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from([*DATATYPES, "", "X"]),
    st.lists(st.integers(-1, 4) | st.sampled_from([2**63]), max_size=3),
    st.recursive(st.lists(JSON, max_size=4), lambda inner: st.lists(inner | JSON, max_size=4), max_leaves=8),
)
def test_any_lists_are_a_tensor_or_refused(datatype: str, shape: list[int], data: list[Any]) -> None:
    try:
        tensor = from_json("a", datatype, shape, data)
    except InvalidInput:
        return
    assert len(tensor.values) == math.prod(shape)
    assert from_values("a", datatype, shape, tensor.values).shape == Tensor("a", datatype, tuple(shape), []).shape
