"""Messages of the Open Inference Protocol over gRPC: requests to tensors, answers to messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, InvalidInput
from tropism.core.plugins import require
from tropism.entrypoints.api.protocols.open_inference_outputs import refuse_shared_memory, wanted
from tropism.entrypoints.api.protocols.tensors import (
    datatype_of,
    from_bytes,
    from_values,
    named,
    text_of,
    to_bytes,
)

if TYPE_CHECKING:
    from tropism.entrypoints.api.protocols.open_inference_models import Inferred
    from tropism.entrypoints.api.protocols.open_inference_outputs import Wanted
    from tropism.entrypoints.api.protocols.tensors import Tensor

_PACKAGE = "tropism.entrypoints.api.protocols.open_inference_pb"
_FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Where a message has the elements of a datatype. FP16 and BF16 come as bytes only."""


def load_messages(name: str) -> Any:
    """The module of messages `open_inference` or `health`. Raises `MissingExtra` without protobuf."""
    require("google.protobuf", "grpc")
    return require(f"{_PACKAGE}.{name}_pb2", "grpc")


def read_tensors(request: Any) -> list[Tensor]:
    """The input tensors of a `ModelInferRequest`.

    Raises:
        InvalidInput: datatypes, shapes and contents do not fit each other.
    """
    raw = request.raw_input_contents
    for one in request.inputs:
        refuse_shared_memory(one.parameters, named(one.name))
    if not raw:
        return [_from_contents(one) for one in request.inputs]
    for one in request.inputs:
        if one.HasField("contents"):
            fix = "leave out the contents of all inputs, or raw_input_contents"
            raise InvalidInput(f"{named(one.name)} is sent twice", Fault("contents", "beside raw_input_contents", fix))
    if len(raw) != len(request.inputs):
        fault = Fault("raw_input_contents", str(len(raw)), f"send one for each of the {len(request.inputs)} inputs")
        raise InvalidInput("there are not as many raw contents as inputs", fault)
    pairs = zip(request.inputs, raw, strict=True)
    return [from_bytes(one.name, one.datatype, one.shape, content) for one, content in pairs]


def read_outputs(request: Any) -> list[Wanted]:
    """The outputs that a `ModelInferRequest` names. Raises `InvalidInput` if a parameter does not fit."""
    return [wanted(one.name, _values(one.parameters)) for one in request.outputs]


def write_answer(messages: Any, request: Any, found: Inferred) -> Any:
    """A `ModelInferResponse`, its outputs as bytes if the inputs came so, else as typed contents."""
    answer = messages.ModelInferResponse(model_name=found.model, model_version=found.version, id=request.id)
    for name, text in found.parameters.items():
        answer.parameters[name].string_param = text
    for tensor in found.outputs:
        output = answer.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if request.raw_input_contents:
            answer.raw_output_contents.append(to_bytes(tensor))
        else:
            values = [value.encode() for value in tensor.values] if tensor.datatype == "BYTES" else tensor.values
            getattr(output.contents, _FIELDS[tensor.datatype]).extend(values)
    return answer


def write_metadata(messages: Any, found: dict[str, Any]) -> Any:
    """A `ModelMetadataResponse` from what `Models.metadata` says."""
    tensor = messages.ModelMetadataResponse.TensorMetadata
    lists = {name: [tensor(**one) for one in found[name]] for name in ("inputs", "outputs")}
    return messages.ModelMetadataResponse(**{**found, **lists})


def _from_contents(one: Any) -> Tensor:
    datatype_of(one.datatype, one.name)
    field = _FIELDS.get(one.datatype)
    if field is None:
        fault = Fault("datatype", one.datatype, "send it in raw_input_contents, or as FP32")
        raise InvalidInput(f"{named(one.name)}: there are no contents of {one.datatype}", fault)
    others = [found.name for found, _ in one.contents.ListFields() if found.name != field]
    if others:
        fault = Fault("contents", others[0], f"send the elements of {one.datatype} in {field}")
        raise InvalidInput(f"{named(one.name)} has contents of another datatype", fault)
    values = list(getattr(one.contents, field))
    if field == "bytes_contents":
        values = [text_of(one.name, index, raw) for index, raw in enumerate(values)]
    return from_values(one.name, one.datatype, one.shape, values)


def _values(parameters: Any) -> dict[str, Any]:
    chosen = {name: one.WhichOneof("parameter_choice") for name, one in parameters.items()}
    return {name: getattr(parameters[name], choice) for name, choice in chosen.items() if choice is not None}
