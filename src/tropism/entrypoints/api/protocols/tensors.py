"""Tensors of the Open Inference Protocol: their datatypes and shapes, from JSON lists and from raw bytes, and back."""

from __future__ import annotations

import math
import struct
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

_LENGTH = struct.Struct("<I")
_MOST_DIMENSIONS = 8


class Datatype(NamedTuple):
    """`size`: bytes of an element, 0 where each says its own. `code`: NumPy's, little-endian."""

    name: str
    kind: str
    """`float`, `integer`, `boolean` or `bytes`."""
    size: int
    code: str
    low: int = 0
    high: int = 0


def _integer(name: str, size: int, *, signed: bool) -> Datatype:
    bits = 8 * size
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return Datatype(name, "integer", size, f"<{'i' if signed else 'u'}{size}", low, high)


DATATYPES = {
    one.name: one
    for one in (
        Datatype("BOOL", "boolean", 1, "<u1"),
        *(_integer(f"UINT{8 * size}", size, signed=False) for size in (1, 2, 4, 8)),
        *(_integer(f"INT{8 * size}", size, signed=True) for size in (1, 2, 4, 8)),
        Datatype("FP16", "float", 2, "<f2"),
        Datatype("BF16", "float", 2, "<u2"),
        Datatype("FP32", "float", 4, "<f4"),
        Datatype("FP64", "float", 8, "<f8"),
        Datatype("BYTES", "bytes", 0, ""),
    )
}


class Tensor(NamedTuple):
    """`values`: the elements row by row: floats, integers, booleans or texts; None is a missing value."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: list[Any]


def datatype_of(name: str, tensor: str) -> Datatype:
    """A datatype by its name.

    Raises:
        InvalidInput: the protocol has none of that name.
    """
    found = DATATYPES.get(name)
    if found is None:
        fix = f"use one of: {', '.join(DATATYPES)}"
        raise InvalidInput(f"{named(tensor)} has an unknown datatype", Fault("datatype", shown(name), fix))
    return found


def elements(shape: Sequence[int], tensor: str) -> int:
    """How many elements a tensor of this shape has.

    Raises:
        InvalidInput: a dimension is negative, or there are too many.
    """
    if len(shape) > _MOST_DIMENSIONS:
        fault = Fault("shape", f"{len(shape)} dimensions", "send a shape of 1 or 2 dimensions")
        raise InvalidInput(f"{named(tensor)} has too many dimensions", fault)
    if any(size < 0 for size in shape):
        fix = "send the size of each dimension, 0 or more; only metadata has -1"
        raise InvalidInput(f"{named(tensor)} has a negative dimension", Fault("shape", str(list(shape)), fix))
    return math.prod(shape)


def from_json(name: str, datatype: str, shape: Sequence[int], data: list[Any]) -> Tensor:
    """A tensor from JSON: a flat list, or lists nested as its shape is. A null is a missing value.

    FP32 numbers are rounded to 32 bits, so that they are those that the same tensor has as bytes.

    Raises:
        InvalidInput: datatype, shape and data do not fit each other.

    >>> from_json("a", "INT32", (2, 1), [[1], [2]])
    Tensor(name='a', datatype='INT32', shape=(2, 1), values=[1, 2])
    """
    if datatype in ("FP16", "BF16"):
        fix = "send it as binary data, or as FP32"
        raise InvalidInput(f"{named(name)}: JSON has no {datatype}", Fault("datatype", datatype, fix))
    if list in set(map(type, data)):
        elements(shape, name)
        data = _flattened(data, shape, name)
    return from_values(name, datatype, shape, data)


def from_values(name: str, datatype: str, shape: Sequence[int], values: list[Any]) -> Tensor:
    """A tensor from its elements, row by row: floats, integers, booleans or texts, or None.

    Raises:
        InvalidInput: datatype, shape and elements do not fit each other.
    """
    kind = datatype_of(datatype, name)
    _check_count(name, shape, elements(shape, name), len(values))
    return Tensor(name, datatype, tuple(shape), _checked(name, kind, values))


def from_bytes(name: str, datatype: str, shape: Sequence[int], raw: bytes | memoryview) -> Tensor:
    """A tensor from its bytes: little-endian, row by row; a BYTES element is its length in 4 bytes, then UTF-8.

    Raises:
        InvalidInput: datatype, shape and bytes do not fit each other.

    >>> from_bytes("a", "FP32", (1, 2), bytes(8)).values
    [0.0, 0.0]
    """
    kind = datatype_of(datatype, name)
    expected = elements(shape, name)
    if kind.kind == "bytes":
        values = _texts(name, raw)
        _check_count(name, shape, expected, len(values))
    elif len(raw) != expected * kind.size:
        headline = f"{named(name)} has {len(raw)} bytes, not the {expected * kind.size} of its shape and datatype"
        raise InvalidInput(headline, Fault("shape", f"{list(shape)} of {datatype}", "send what the shape says"))
    else:
        values = _numbers(name, kind, raw)
    return Tensor(name, datatype, tuple(shape), values)


def to_bytes(tensor: Tensor) -> bytes:
    """A tensor's bytes, as `from_bytes` reads them.

    >>> to_bytes(Tensor("a", "BYTES", (1,), ["ab"]))
    b'\\x02\\x00\\x00\\x00ab'
    """
    if tensor.datatype == "BYTES":
        texts = [text.encode() for text in tensor.values]
        return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))
    return np.array(tensor.values, DATATYPES[tensor.datatype].code).tobytes()


def _checked(name: str, kind: Datatype, values: list[Any]) -> list[Any]:
    fits = {"float": (float, int), "integer": (int,), "boolean": (bool,), "bytes": (str,)}[kind.kind]
    types = set(map(type, values)) - {type(None)}
    if not types <= set(fits):
        found = next(i for i, value in enumerate(values) if value is not None and type(value) not in fits)
        raise _misfit(name, kind, found, values[found])
    if kind.kind == "integer" and any(not kind.low <= value <= kind.high for value in values if value is not None):
        found = next(i for i, value in enumerate(values) if value is not None and not kind.low <= value <= kind.high)
        raise _misfit(name, kind, found, values[found])
    return _floats(name, kind, values) if kind.kind == "float" else values


def named(tensor: str) -> str:
    """A tensor as messages call it."""
    return f"input {shown(tensor)}"


def _floats(name: str, kind: Datatype, values: list[Any]) -> list[float | None]:
    found: list[float | None] = []
    for index, value in enumerate(values):
        if value is None:
            found.append(None)
            continue
        try:
            number = float(value) if kind.size == 8 else array("f", (value,))[0]
        except OverflowError:
            number = math.inf
        if math.isinf(number) and value not in (math.inf, -math.inf):
            raise _misfit(name, kind, index, value)
        found.append(number)
    return found


def _misfit(name: str, kind: Datatype, index: int, value: object) -> InvalidInput:
    wanted = {"float": "numbers", "integer": "whole numbers", "boolean": "true or false", "bytes": "strings"}
    limits = f" from {kind.low} to {kind.high}" if kind.kind == "integer" else ""
    fault = Fault(f"data[{index}]", shown(value), f"send {wanted[kind.kind]}{limits}, or another datatype")
    return InvalidInput(f"{named(name)} has an element that is not {kind.name}", fault)


def _check_count(name: str, shape: Sequence[int], expected: int, count: int) -> None:
    if count != expected:
        headline = f"{named(name)} has {count} of the {expected} elements that its shape says"
        raise InvalidInput(headline, Fault("shape", str(list(shape)), "send as many elements as the shape says"))


def _flattened(data: list[Any], shape: Sequence[int], name: str) -> list[Any]:
    level: list[Any] = [data]
    for axis, size in enumerate(shape):
        for one in level:
            if type(one) is not list or len(one) != size:
                fix = f"nest lists as the shape {list(shape)} says, or send one flat list"
                fault = Fault("data", f"dimension {axis}: {_length(one)}, not {size}", fix)
                raise InvalidInput(f"{named(name)}: its lists are not nested as its shape", fault)
        level = [inner for one in level for inner in one]
    return level


def _length(value: object) -> str:
    return str(len(value)) if isinstance(value, list) else shown(value)


def _numbers(name: str, kind: Datatype, raw: bytes | memoryview) -> list[Any]:
    found = np.frombuffer(raw, kind.code)
    if kind.name == "BF16":  # the upper half of a 32-bit float
        return list((found.astype("<u4") << 16).view("<f4").tolist())
    if kind.kind != "boolean":
        return list(found.tolist())
    if found.size and found.max() > 1:
        index = int(np.argmax(found > 1))
        fault = Fault(f"data[{index}]", str(found[index]), "send the byte 0 or 1 for each element")
        raise InvalidInput(f"{named(name)} has an element that is not BOOL", fault)
    return list(found.astype(bool).tolist())


def _texts(name: str, raw: bytes | memoryview) -> list[str]:
    found: list[str] = []
    place = 0
    while place < len(raw):
        start = place + _LENGTH.size
        end = start + _LENGTH.unpack_from(raw, place)[0] if start <= len(raw) else start
        if end > len(raw):
            fix = "before each element send its length: 4 bytes, little-endian"
            raise InvalidInput(f"{named(name)} ends in an element", Fault(f"data[{len(found)}]", "cut off", fix))
        found.append(text_of(name, len(found), raw[start:end]))
        place = end
    return found


def text_of(name: str, index: int, raw: bytes | memoryview) -> str:
    """An element of a BYTES tensor.

    Raises:
        InvalidInput: it is not UTF-8.
    """
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError as error:
        fault = Fault(f"data[{index}]", f"byte {error.start}", "encode texts as UTF-8")
        raise InvalidInput(f"{named(name)} has an element that is not UTF-8", fault) from error
