"""Reads the part of ONNX's protobuf messages that is allowed in a model, and refuses every other field.

Encoding: https://protobuf.dev/programming-guides/encoding. Fields: onnx.proto of ONNX, kept here as one table a
message. No field of these tables can hold a message of its own kind, so nothing nests deeper than the tables do.
What is left out is refused: graphs inside of nodes, functions, training steps, sparse tensors, external files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tropism.core.errors import ArtifactRefused, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["int", "ints", "float", "floats", "text", "texts", "bytes", "message", "messages"]
"""Kinds in the plural repeat. `float` and `floats` stay bytes, of one number or of several."""
MOST_FIELDS = 10_000_000
MOST_TEXT = 65_536
_VARINT, _FIXED64, _PIECE, _FIXED32 = 0, 1, 2, 5
_REPEATED = ("ints", "floats", "texts", "messages")
_WIRE: dict[str, tuple[int, ...]] = {
    "int": (_VARINT,),
    "ints": (_VARINT, _PIECE),
    "float": (_FIXED32,),
    "floats": (_FIXED32, _PIECE),
}


class _Field(NamedTuple):
    name: str
    kind: Kind
    message: str = ""


_TABLES: dict[str, dict[int, _Field]] = {
    "model": {
        1: _Field("ir_version", "int"),
        2: _Field("producer_name", "text"),
        3: _Field("producer_version", "text"),
        4: _Field("domain", "text"),
        5: _Field("model_version", "int"),
        6: _Field("doc_string", "text"),
        7: _Field("graph", "message", "graph"),
        8: _Field("opset_import", "messages", "opset"),
        14: _Field("metadata_props", "messages", "property"),
    },
    "opset": {1: _Field("domain", "text"), 2: _Field("version", "int")},
    "property": {1: _Field("key", "text"), 2: _Field("value", "text")},
    "graph": {
        1: _Field("node", "messages", "node"),
        2: _Field("name", "text"),
        5: _Field("initializer", "messages", "tensor"),
        10: _Field("doc_string", "text"),
        11: _Field("input", "messages", "value"),
        12: _Field("output", "messages", "value"),
        13: _Field("value_info", "messages", "value"),
        16: _Field("metadata_props", "messages", "property"),
    },
    "node": {
        1: _Field("input", "texts"),
        2: _Field("output", "texts"),
        3: _Field("name", "text"),
        4: _Field("op_type", "text"),
        5: _Field("attribute", "messages", "attribute"),
        6: _Field("doc_string", "text"),
        7: _Field("domain", "text"),
        9: _Field("metadata_props", "messages", "property"),
    },
    "attribute": {
        1: _Field("name", "text"),
        2: _Field("f", "float"),
        3: _Field("i", "int"),
        4: _Field("s", "bytes"),
        5: _Field("t", "message", "tensor"),
        7: _Field("floats", "floats"),
        8: _Field("ints", "ints"),
        9: _Field("strings", "texts"),
        13: _Field("doc_string", "text"),
        20: _Field("type", "int"),
    },
    "tensor": {
        1: _Field("dims", "ints"),
        2: _Field("data_type", "int"),
        4: _Field("float_data", "bytes"),
        5: _Field("int32_data", "bytes"),
        7: _Field("int64_data", "bytes"),
        8: _Field("name", "text"),
        9: _Field("raw_data", "bytes"),
        10: _Field("double_data", "bytes"),
        12: _Field("doc_string", "text"),
        14: _Field("data_location", "int"),
    },
    "value": {1: _Field("name", "text"), 2: _Field("type", "message", "type"), 3: _Field("doc_string", "text")},
    "type": {1: _Field("tensor_type", "message", "tensor type"), 6: _Field("denotation", "text")},
    "tensor type": {1: _Field("elem_type", "int"), 2: _Field("shape", "message", "shape")},
    "shape": {1: _Field("dim", "messages", "dim")},
    "dim": {1: _Field("dim_value", "int"), 2: _Field("dim_param", "text"), 3: _Field("denotation", "text")},
}


class Message(dict[str, Any]):
    """The fields of a message by name; those that repeat are lists, and those that are absent are None or empty."""

    def __init__(self, table: str) -> None:
        super().__init__({f.name: [] if f.kind in _REPEATED else None for f in _TABLES[table].values()})


def read_model(data: bytes) -> Message:
    """The model message in `data`.

    Raises:
        ArtifactRefused: it is cut off or malformed, or has a field that is not allowed.
    """
    return _Reader().read("model", memoryview(data), "model")


class _Reader:
    def __init__(self) -> None:
        self._fields = 0

    def read(self, table: str, data: memoryview, where: str) -> Message:
        message, fields = Message(table), _TABLES[table]
        for number, wire, value in _pieces(data, where):
            self._fields += 1
            field = fields.get(number)
            if field is None or wire not in _WIRE.get(field.kind, (_PIECE,)):
                shown = f"{where}.{field.name}" if field else f"{where}, field {number}"
                raise refused(shown, f"wire type {wire}", "a model must not hold this")
            if self._fields > MOST_FIELDS:
                raise refused(where, f"over {MOST_FIELDS} fields", "use a smaller graph")
            self._put(message, field, value, f"{where}.{field.name}")
        return message

    def _put(self, message: Message, field: _Field, value: Any, where: str) -> None:
        if field.kind in ("text", "texts"):
            value = _text(value, where)
        elif field.kind in ("message", "messages"):
            value = self.read(field.message, value, where)
        elif field.kind == "ints" and isinstance(value, memoryview):
            message[field.name] += _varints(value, where)
            return
        repeated = message[field.name]
        if isinstance(repeated, list):
            repeated.append(value)
        elif repeated is None:
            message[field.name] = value
        else:  # protobuf would merge them, and readers differ in how
            raise refused(where, "twice", "it must come once")


def _pieces(data: memoryview, where: str) -> Iterator[tuple[int, int, Any]]:
    """Field numbers, wire types and values, one after another."""
    place, end = 0, len(data)
    while place < end:
        key, place = _varint(data, place, where)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, place = _varint(data, place, where)
            yield number, wire, value - 2**64 if value >= 2**63 else value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(wire)
        if wire == _PIECE:
            size, place = _varint(data, place, where)
        if size is None or size > end - place:
            raise refused(where, f"wire type {wire} of {size} bytes", "it is cut off or malformed")
        yield number, wire, data[place : place + size]
        place += size


def _varint(data: memoryview, place: int, where: str) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128 and value < 2**64:
            return value, place
    raise refused(where, "a number that does not end", "it is cut off or malformed")


def _varints(data: memoryview, where: str) -> list[int]:
    found, place = [], 0
    while place < len(data):
        value, place = _varint(data, place, where)
        found.append(value - 2**64 if value >= 2**63 else value)
        if len(found) > MOST_TEXT:
            raise refused(where, f"over {MOST_TEXT} numbers", "use fewer")
    return found


def _text(value: memoryview, where: str) -> str:
    if len(value) > MOST_TEXT:
        raise refused(where, f"{len(value)} bytes", f"a text has at most {MOST_TEXT}")
    try:
        return bytes(value).decode()
    except UnicodeDecodeError as error:
        raise refused(where, str(error), "it must be UTF-8") from error


def refused(field: str, value: str, fix: str) -> ArtifactRefused:
    """The error for a model that is malformed, naming the field."""
    return ArtifactRefused("the ONNX model is malformed and was not loaded", Fault(field, value, fix))
