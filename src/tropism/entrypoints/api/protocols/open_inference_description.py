"""The Open Inference Protocol and KServe V1 in our own OpenAPI document."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_PARAMETERS = {"type": "object", "description": "Parameters of extensions, such as binary_data_size."}
_METADATA = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {"name": _TEXT, "datatype": _TEXT, "shape": {"type": "array", "items": {"type": "integer"}}},
}
_TENSOR = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        **_METADATA["properties"],  # type: ignore[dict-item]
        "parameters": _PARAMETERS,
        "data": {"type": "array", "items": {}, "description": "Flat, or nested as the shape is. Absent if binary."},
    },
}


def foreign_paths() -> dict[str, Any]:
    """Path items of both protocols, to be merged into a document's `paths`."""
    models: dict[str, Any] = {}
    for path in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        names = ["name", "version"] if "{version}" in path else ["name"]
        ready = {"name": _TEXT, "ready": {"type": "boolean"}}
        models[path] = {"get": _operation("A model's inputs and outputs", _model(), names)}
        models[f"{path}/ready"] = {"get": _operation("Whether a model answers", _object(**ready), names)}
        models[f"{path}/infer"] = {"post": _operation("Predict", _response(), names, _request())}
    live = {"live": {"type": "boolean"}}
    server = _object(name=_TEXT, version=_TEXT, extensions=_list(_TEXT))
    return {
        "/v2": {"get": _operation("The server and its extensions", server)},
        "/v2/health/live": {"get": _operation("Alive", _object(**live))},
        "/v2/health/ready": {"get": _operation("Ready", _object(**live, ready={"type": "boolean"}))},
        **models,
        "/v1/models/{name}:predict": {"post": _kserve()},
    }


def _object(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required or properties), "properties": properties}


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _operation(
    summary: str, reply: dict[str, Any], names: list[str] | None = None, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    refused = {"description": "Refused: what to change", "content": _json(_object(error=_TEXT))}
    operation: dict[str, Any] = {
        "tags": ["foreign protocols"],
        "summary": summary,
        "parameters": [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names or []],
        "responses": {"200": {"description": "Done", "content": _json(reply)}, "default": refused},
    }
    return operation if body is None else operation | {"requestBody": {"required": True, "content": body}}


def _model() -> dict[str, Any]:
    properties = {"type": "object", "additionalProperties": _TEXT}
    lists = {"versions": _list(_TEXT), "inputs": _list(_METADATA), "outputs": _list(_METADATA)}
    return _object(name=_TEXT, platform=_TEXT, properties=properties, **lists)


def _request() -> dict[str, Any]:
    output = _object("name", name=_TEXT, parameters=_PARAMETERS)
    lists = {"inputs": _list(_TENSOR), "outputs": _list(output)}
    binary = {"schema": {"type": "string", "format": "binary"}}
    return _json(_object("inputs", id=_TEXT, parameters=_PARAMETERS, **lists)) | {"application/octet-stream": binary}


def _response() -> dict[str, Any]:
    fields = {"model_name": _TEXT, "model_version": _TEXT, "id": _TEXT, "parameters": _PARAMETERS}
    return _object("model_name", "outputs", **fields, outputs=_list(_TENSOR))


def _kserve() -> dict[str, Any]:
    instances = {"oneOf": [{"type": "object"}, {"type": "array", "items": {}}]}
    reply = _object("predictions", predictions=_list({}), prediction_ids=_list(_TEXT))
    operation = _operation("Predict", reply, ["name"], _json(_object(instances=_list(instances))))
    ids = {"name": "ids", "in": "query", "schema": {"type": "boolean"}, "description": "Reply with the ids too."}
    return operation | {"parameters": [*operation["parameters"], ids]}
