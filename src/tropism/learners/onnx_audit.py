"""The audit that comes before ONNX Runtime sees a model.

ONNX Runtime reads files that a model names, runs operators that a library adds, and allocates what a graph asks
for. What passes here is one flat graph of known operators from `input` (n, width) to `scores` (n, outputs), with all
of its numbers inside.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from tropism.learners.onnx_protobuf import Message, read_model, refused
from tropism.learners.onnx_shapes import Fixed, Rows, Step, sizes

if TYPE_CHECKING:
    from tropism.learners.base import Shape

INPUT, OUTPUT = "input", "scores"
MOST_BYTES = 128 * 2**20
MOST_NODES = 10_000
MOST_ROW = 2**24
"""Numbers that all nodes together may give a row."""
_MOST_VALUES = 8
_FLOAT, _INT64 = 1, 7
_TYPES: dict[int, tuple[str, str]] = {
    1: ("<f4", "float_data"),
    2: ("u1", "int32_data"),
    3: ("i1", "int32_data"),
    6: ("<i4", "int32_data"),
    7: ("<i8", "int64_data"),
    9: ("u1", "int32_data"),
    10: ("<f2", "int32_data"),
    11: ("<f8", "double_data"),
}
"""Element types that are allowed: how raw numbers are stored, and the field for numbers that are not raw."""
_DATA = ("raw_data", "float_data", "int32_data", "int64_data", "double_data")

Sizes = dict[str, Rows | Fixed]


def audit(data: bytes, shape: Shape) -> None:
    """Checks a whole model, without ONNX and before ONNX Runtime.

    Raises:
        ArtifactRefused: names the node or field and what is wrong with it.
    """
    if len(data) > MOST_BYTES:
        raise refused("size", f"{len(data)} bytes", f"a model has at most {MOST_BYTES}")
    model = read_model(data)
    graph = model["graph"]
    if graph is None:
        raise refused("graph", "", "there is none")
    found: Sizes = {INPUT: Rows(shape.width)}
    _check_value("input", graph["input"], INPUT, found)
    for tensor in graph["initializer"]:
        _add(found, _name(tensor), _tensor(f"initializer {_name(tensor)}", tensor))
    _follow(graph["node"], found)
    if found.get(OUTPUT) != Rows(shape.outputs):
        raise refused(OUTPUT, str(found.get(OUTPUT)), f"it must be {shape.outputs} numbers a row")
    _check_value("output", graph["output"], OUTPUT, found)
    for value in graph["value_info"]:
        if _name(value) in found:  # tools leave what they said of tensors that are gone
            _check_dims(f"value_info {_name(value)}", value, found[_name(value)])


def _follow(nodes: list[Message], found: Sizes) -> None:
    """Adds the sizes of what the nodes give, in their order; each may only take what is there already."""
    if len(nodes) > MOST_NODES:
        raise refused("node", f"{len(nodes)} nodes", f"use at most {MOST_NODES}")
    total = 0
    for index, node in enumerate(nodes):
        operator = node["op_type"] or ""
        where = f"node {index} ({operator[:40]})"
        missing = [name for name in node["input"] if name and name not in found]
        if missing:
            raise refused(where, missing[0][:80], "this input comes from no earlier node")
        step = Step(where, [found[name] if name else None for name in node["input"]], _attributes(where, node))
        given = _constant(step) if operator == "Constant" else sizes(node["domain"] or "", operator, step)
        names = node["output"]
        if not 0 < len(names) <= len(given):
            raise refused(where, f"{len(names)} outputs", f"it gives {len(given)}")
        for name, size in zip(names, given, strict=False):
            if name:
                _add(found, name, size)
            total += size.columns if isinstance(size, Rows) else prod(size.shape)
        if total > MOST_ROW:
            raise refused(where, f"{total} numbers so far", f"all nodes together give at most {MOST_ROW}")


def _add(found: Sizes, name: str, size: Rows | Fixed) -> None:
    if not name or name in found:
        raise refused(f"tensor {name[:80]}", "", "each tensor has a name of its own")
    found[name] = size


def _attributes(where: str, node: Message) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in node["attribute"]:
        name = _name(attribute)
        if not name or name in found:
            raise refused(where, name[:80], "each attribute has a name of its own")
        found[name] = _attribute(f"{where}.{name}", attribute)
    return found


def _attribute(where: str, attribute: Message) -> Any:
    """A whole number, a float, a text, the size of a tensor, or a list; floats as an array."""
    given = [field for field in ("f", "i", "s", "t", "floats", "ints", "strings") if attribute[field] not in (None, [])]
    if len(given) > 1:
        raise refused(where, ", ".join(given), "an attribute has one value")
    if not given:
        return None
    value = attribute[given[0]]
    if given[0] == "t":
        return _tensor(where, value)
    if given[0] in ("f", "floats"):
        data = b"".join(value) if given[0] == "floats" else value
        if len(data) % 4:
            raise refused(where, f"{len(data)} bytes", "it must be floats of four bytes")
        numbers = np.frombuffer(data, "<f4")
        return numbers if given[0] == "floats" else float(numbers[0])
    return bytes(value).decode(errors="replace") if given[0] == "s" else value


def _constant(step: Step) -> list[Rows | Fixed]:
    value = step.attributes.get("value")
    if step.inputs or len(step.attributes) != 1 or not isinstance(value, Fixed):
        raise step.refuse("a constant has a tensor as its value and nothing else")
    return [value]


def _tensor(where: str, tensor: Message) -> Fixed:
    """The size of a tensor that holds its numbers, all of them finite."""
    dims, kind = tuple(tensor["dims"]), tensor["data_type"]
    if kind not in _TYPES:
        raise refused(where, f"element type {kind}", "use numbers or booleans")
    if len(dims) > 2 or not all(1 <= dim <= MOST_BYTES for dim in dims):
        raise refused(where, f"shape {dims}"[:80], "use a scalar, a row or a matrix that is not empty")
    if tensor["data_location"]:
        raise refused(where, "data in another file", "keep all numbers in the model")
    stored = [field for field in _DATA if tensor[field] is not None]
    dtype, field = _TYPES[kind]
    if len(stored) != 1 or stored[0] not in ("raw_data", field):
        raise refused(where, ", ".join(stored), f"its numbers must be in raw_data or {field}")
    data = tensor[stored[0]]
    raw = stored[0] == "raw_data" or field.startswith(("float", "double"))
    pieces = np.frombuffer(data, np.uint8)
    # Each number in base 128 ends in the one byte of it that is below 128.
    count = len(pieces) // np.dtype(dtype).itemsize if raw else int(np.count_nonzero(pieces < 128))
    whole = len(pieces) % np.dtype(dtype).itemsize == 0 if raw else len(pieces) == 0 or pieces[-1] < 128
    if count != prod(dims) or not whole:
        raise refused(where, f"{len(pieces)} bytes for shape {dims}"[:80], "it must hold just its numbers")
    if raw and np.dtype(dtype).kind == "f" and not np.all(np.isfinite(np.frombuffer(data, dtype))):
        raise refused(where, "a number that is not finite", "use finite numbers")
    few = kind == _INT64 and stored[0] == "raw_data" and count <= _MOST_VALUES
    return Fixed(dims, tuple(np.frombuffer(data, dtype).tolist()) if few else None)


def _check_value(where: str, values: list[Message], name: str, found: Sizes) -> None:
    if [_name(value) for value in values] != [name]:
        raise refused(where, str([_name(value) for value in values])[:80], f"it must be '{name}' alone")
    kind = values[0]["type"] or {}
    if (kind.get("tensor_type") or {}).get("elem_type") != _FLOAT:
        raise refused(f"{where} {name}", "", "it must be of float32")
    _check_dims(f"{where} {name}", values[0], found[name], exactly=True)


def _check_dims(where: str, value: Message, size: Rows | Fixed, exactly: bool = False) -> None:
    """What is declared must be what is there; a dimension may be left open, but for `exactly` only the rows are."""
    declared = ((value["type"] or {}).get("tensor_type") or {}).get("shape")
    if declared is None and not exactly:
        return
    dims = [dim["dim_value"] for dim in declared["dim"]] if declared is not None else None
    expected = [None, size.columns] if isinstance(size, Rows) else list(size.shape)
    fits = dims is not None and len(dims) == len(expected)
    for dim, known in zip(dims or [], expected, strict=False):
        fits = fits and (dim == known or (dim is None and not exactly))
    if not fits:
        raise refused(where, f"declared as {dims}"[:80], f"it must be {expected}, where None is any number of rows")


def _name(message: Message) -> str:
    return str(message["name"] or "")
