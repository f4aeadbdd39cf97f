"""Bodies of the Open Inference Protocol over REST: JSON, which bytes of tensors may follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism.core.errors import Fault, InvalidInput, MalformedBody
from tropism.core.faults import shown
from tropism.entrypoints.api.asgi import Reply
from tropism.entrypoints.api.protocols.open_inference_outputs import refuse_shared_memory, wanted
from tropism.entrypoints.api.protocols.tensors import Tensor, from_bytes, from_json, named, to_bytes
from tropism.serving.parsing import parse

if TYPE_CHECKING:
    from tropism.entrypoints.api.protocols.open_inference_models import Inferred
    from tropism.entrypoints.api.protocols.open_inference_outputs import Wanted

_LENGTH = b"inference-header-content-length"
_FORM = (
    'send {"inputs": [{"name": "a feature", "shape": [1], "datatype": "FP64", "data": [1.5]}]}'
    " as the Open Inference Protocol describes"
)


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | msgspec.UnsetType = msgspec.UNSET


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Body(msgspec.Struct):
    inputs: list[_Input]
    outputs: list[_Output] = []
    parameters: dict[str, Any] = {}
    id: str | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(_Body)


class Inference(NamedTuple):
    """A request to infer. `binary`: outputs are sent as bytes where nothing else is said."""

    tensors: list[Tensor]
    outputs: list[Wanted]
    id: str | None
    binary: bool


def read_inference(body: bytes, length: bytes | None) -> Inference:
    """A request from its body. `length`: the value of the header that says where the JSON ends, if it came.

    Raises:
        MalformedBody: the JSON is not JSON, or is not where the header says.
        InvalidInput: it is not the protocol's, or its parts do not fit each other.
    """
    end = _end_of_json(body, length)
    content = _decode(body[:end])
    tensors, place = [], end
    for one in content.inputs:
        size = _binary_size(one, length)
        tensors.append(_tensor(one, body[place : place + size] if size is not None else None, size))
        place += size or 0
    if place != len(body):
        fix = "let the values of binary_data_size add up to what follows the JSON"
        raise InvalidInput("bytes are left over after the last input", Fault("body", f"{len(body) - place} bytes", fix))
    binary: Any = content.parameters.get("binary_data_output", False)
    if type(binary) is not bool:
        fault = Fault("parameters.binary_data_output", shown(binary), "send true or false")
        raise InvalidInput("a parameter of the request does not fit", fault)
    outputs = [wanted(one.name, one.parameters, binary=binary) for one in content.outputs]
    return Inference(tensors, outputs, None if content.id is msgspec.UNSET else content.id, binary)


def write_inference(asked: Inference, found: Inferred) -> Reply:
    """The reply: JSON, and after it the outputs that are sent as bytes, in their order."""
    binary = {one.name: one.binary for one in asked.outputs}
    outputs, parts = [], []
    for tensor in found.outputs:
        one: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if binary.get(tensor.name, asked.binary):
            parts.append(to_bytes(tensor))
            one["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            one["data"] = tensor.values
        outputs.append(one)
    content: dict[str, Any] = {"model_name": found.model, "model_version": found.version}
    if asked.id is not None:
        content["id"] = asked.id
    document = msgspec.json.encode(content | {"parameters": found.parameters, "outputs": outputs})
    if not parts:
        return Reply(200, document)
    headers = [(b"content-type", b"application/octet-stream"), (_LENGTH, str(len(document)).encode())]
    return Reply(200, b"".join([document, *parts]), headers)


def _end_of_json(body: bytes, length: bytes | None) -> int:
    if length is None:
        return len(body)
    end = int(length) if length.isdigit() and len(length) < 20 else -1
    if not 0 < end <= len(body):
        fix = f"send how many of the body's {len(body)} bytes are JSON"
        fault = Fault("inference-header-content-length", shown(length.decode("latin-1")), fix)
        raise MalformedBody("the header does not say where the JSON ends", fault)
    return end


def _decode(document: bytes) -> _Body:
    try:
        return _decoder.decode(document)
    except msgspec.ValidationError as error:
        raise InvalidInput("the request is not one to infer", Fault("body", str(error)[:400], _FORM)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        parse(document)  # raises, and says what is wrong with the text
        raise


def _binary_size(one: _Input, length: bytes | None) -> int | None:
    """How many bytes of the tensor follow the JSON; None if its data are in the JSON."""
    refuse_shared_memory(one.parameters, named(one.name))
    size: Any = one.parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        fault = Fault("parameters.binary_data_size", shown(size), "send the number of its bytes")
        raise InvalidInput(f"{named(one.name)} has a parameter that does not fit", fault)
    if length is None:
        fault = Fault("inference-header-content-length", "", "send this header with the length of the JSON")
        raise InvalidInput(f"{named(one.name)} is binary, but nothing says where the JSON ends", fault)
    return size


def _tensor(one: _Input, raw: bytes | None, size: int | None) -> Tensor:
    if (raw is None) == (one.data is msgspec.UNSET):
        what = "neither data nor binary_data_size" if raw is None else "both data and binary_data_size"
        fault = Fault("data", "", "send its elements as JSON, or their number of bytes and then the bytes")
        raise InvalidInput(f"{named(one.name)} has {what}", fault)
    if raw is None:
        assert one.data is not msgspec.UNSET
        return from_json(one.name, one.datatype, one.shape, one.data)
    if len(raw) != size:
        fix = "send the whole body"
        fault = Fault("body", f"{len(raw)} of {size} bytes", fix)
        raise InvalidInput(f"the body ends in the bytes of {named(one.name)}", fault)
    return from_bytes(one.name, one.datatype, one.shape, raw)
