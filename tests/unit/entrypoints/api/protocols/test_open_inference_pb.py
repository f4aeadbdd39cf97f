"""Our messages are those of Triton's client, byte for byte, both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tropism.entrypoints.api.protocols.grpc_messages import load_messages

theirs = pytest.importorskip("tritonclient.grpc.service_pb2")
OURS = load_messages("open_inference")
HEALTH = load_messages("health")
ONLY_OURS = {"ModelMetadataResponse.properties": 6}
"""In the published protocol, but not in Triton's."""


def fields(message: Any, prefix: str = "") -> dict[str, tuple[Any, ...]]:
    """Number, type and cardinality of each field, nested messages included, by name."""
    found = {}
    for field in message.fields:
        found[f"{prefix}{field.name}"] = (field.number, field.type, field.is_repeated)
    for nested in message.nested_types:
        found |= fields(nested, f"{prefix}{nested.name}.")
    return found


@pytest.mark.parametrize("name", sorted(OURS.DESCRIPTOR.message_types_by_name))
def test_every_field_has_the_number_and_type_of_the_specification(name: str) -> None:
    own = fields(OURS.DESCRIPTOR.message_types_by_name[name])
    other = fields(getattr(theirs, name).DESCRIPTOR)
    if name == "ModelMetadataResponse":
        assert own.pop("properties")[0] == ONLY_OURS["ModelMetadataResponse.properties"]
        own = {field: value for field, value in own.items() if not field.startswith("PropertiesEntry")}
    assert own == other


def test_the_methods_are_those_of_the_specification() -> None:
    own = OURS.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    other = theirs.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert own.full_name == other.full_name
    for method in own.methods:
        same = other.methods_by_name[method.name]
        assert (method.input_type.full_name, method.output_type.full_name) == (
            same.input_type.full_name,
            same.output_type.full_name,
        )
        assert (method.client_streaming, method.server_streaming) == (same.client_streaming, same.server_streaming)


def filled(module: Any) -> Any:
    """A request with something in every kind of field."""
    request = module.ModelInferRequest(model_name="price", model_version="4", id="42")
    request.raw_input_contents.append(b"\x00\xff")
    request.parameters["a"].int64_param = -(2**63)
    request.parameters["b"].double_param = 1.5
    request.inputs.add(name="x", datatype="BYTES", shape=[2**63 - 1, -1]).parameters["c"].bool_param = True
    contents = request.inputs[0].contents
    contents.bool_contents.extend([True, False])
    contents.int_contents.extend([-1, 2**31 - 1])
    contents.int64_contents.append(-(2**63))
    contents.uint_contents.append(2**32 - 1)
    contents.uint64_contents.append(2**64 - 1)
    contents.fp32_contents.append(0.5)
    contents.fp64_contents.append(0.1)
    contents.bytes_contents.append(b"\xff")
    request.outputs.add(name="y").parameters["d"].string_param = "z"
    return request


def test_a_full_message_has_the_same_bytes() -> None:
    own = filled(OURS).SerializeToString(deterministic=True)
    assert own == filled(theirs).SerializeToString(deterministic=True)
    assert OURS.ModelInferRequest.FromString(own) == filled(OURS)


def test_health_messages_are_those_of_their_specification() -> None:
    assert HEALTH.HealthCheckResponse(status="SERVING").SerializeToString() == b"\x08\x01"
    assert HEALTH.HealthCheckRequest.FromString(b"\x0a\x01x").service == "x"
    assert HEALTH.DESCRIPTOR.services_by_name["Health"].full_name == "grpc.health.v1.Health"


@pytest.mark.parametrize(("name", "module"), [("open_inference", OURS), ("health", HEALTH)])
def test_the_python_is_not_older_than_its_proto(name: str, module: Any, tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc")
    descriptors = pytest.importorskip("google.protobuf.descriptor_pb2")
    folder = Path(module.__file__).parent
    made = tmp_path / "made"
    assert protoc.main(["", f"-I{folder}", f"--descriptor_set_out={made}", f"{folder}/{name}.proto"]) == 0
    (fresh,) = descriptors.FileDescriptorSet.FromString(made.read_bytes()).file
    fresh.ClearField("source_code_info")
    kept = descriptors.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(kept)
    for one in (fresh, kept):
        for field in (field for message in one.message_type for field in _all_fields(message)):
            field.ClearField("json_name")
    assert kept == fresh


def _all_fields(message: Any) -> list[Any]:
    return [*message.field, *(field for nested in message.nested_type for field in _all_fields(nested))]
