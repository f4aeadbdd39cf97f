"""Describes the data plane's own routes in the control plane's OpenAPI document, so that there is one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.entrypoints.api.protocols.mlflow_scoring_description import mlflow_paths
from tropism.entrypoints.api.protocols.open_inference_description import foreign_paths
from tropism.entrypoints.api.protocols.server_sent_description import stream_paths

if TYPE_CHECKING:
    from fastapi import FastAPI

_VALUE = {"oneOf": [{"type": "number"}, {"type": "string"}, {"type": "boolean"}, {"type": "null"}]}
_MOMENT = {
    "oneOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}],
    "description": "ISO 8601, or microseconds since 1970-01-01 UTC. Now, if left out.",
}
_INSTANCE: dict[str, Any] = {
    "type": "object",
    "required": ["features"],
    "properties": {
        "features": {"type": "object", "additionalProperties": _VALUE},
        "entity": {"type": "string", "description": "What the prediction is about."},
        "unit": {"type": "string", "description": "Whom it is made for."},
        "at": _MOMENT,
        "prediction_id": {"type": "string", "format": "uuid", "description": "Made by the caller: retries are safe."},
        "explain": {"type": "boolean", "description": "For the whole request: outside `instances`."},
    },
}
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_EXPLANATION: dict[str, Any] = {
    "type": "object",
    "description": "What each feature added to the score, one number an output; there if it was asked for.",
    "properties": {
        "space": {"type": "string", "enum": ["log-odds", "log-probability", "score"]},
        "baseline": _NUMBERS,
        "contributions": {"type": "object", "additionalProperties": _NUMBERS},
        "calibrated": {"type": "boolean"},
    },
}
_PREDICTION = {
    "type": "object",
    "properties": {
        "prediction_id": {"type": "string", "format": "uuid"},
        "prediction": _VALUE,
        "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
        "model": {"type": "string"},
        "version": {"type": "integer"},
        "variant": {
            "type": "string",
            "description": "`champion`, `baseline`, `pinned`, or `experiment/variant` of a unit that takes part in one",
        },
        "degraded": {"type": "array", "items": {"type": "string"}},
        "warnings": {"type": "array", "items": {"type": "string"}},
        "recorded": {"type": "boolean", "description": "There, and false, if the task's journal policy left it out."},
        "cached": {"type": "boolean", "description": "There, and true, if the scores were kept from an equal row."},
        "explanation": _EXPLANATION,
    },
}
_OUTCOME = {
    "type": "object",
    "anyOf": [{"required": ["outcome"]}, {"required": ["values"]}],
    "properties": {
        "outcome": _VALUE,
        "values": {
            "type": "object",
            "maxProperties": 32,
            "additionalProperties": {"type": ["number", "boolean"]},
            "description": "Figures by name, such as revenue, that experiments compare.",
        },
        "prediction_id": {"type": "string", "format": "uuid"},
        "task": {"type": "string"},
        "entity": {"type": "string"},
        "at": _MOMENT,
        "id": {"type": "string", "format": "uuid", "description": "Made by the caller: retries are safe."},
    },
}
_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "faults": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "value": {"type": "string"}, "fix": {"type": "string"}},
            },
        },
    },
}
_REFUSED = {
    "description": "Refused: what to change",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` cover both planes."""
    own = app.openapi

    def both() -> dict[str, Any]:
        document = own()
        for operation in (one for methods in document["paths"].values() for one in methods.values()):
            operation["responses"].pop("422", None)  # FastAPI's own form of a refusal, which nobody is sent
            operation["responses"]["default"] = _REFUSED
        document["paths"].update(_paths())
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = _PROBLEM
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        return document

    app.openapi = both  # type: ignore[method-assign]


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _replies(status: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {status: {"description": "Done", "content": _json(schema)}, "default": _REFUSED}


def _paths() -> dict[str, Any]:
    free = {"type": "object"}
    ready = {"tags": ["service"], "summary": "Ready, and what is live", "responses": _replies("200", free)}
    metrics = {
        "tags": ["service"],
        "summary": "Prometheus metrics",
        "responses": {"200": {"description": "Text", "content": {"text/plain": {}}}},
    }
    return {
        "/v1/tasks/{task}/predict": {"post": _predict()},
        "/v1/outcomes": {"post": _outcomes()},
        "/v1/features/{source}/events": {"post": _events()},
        "/api/v1/ml/features/compute": {"post": _compute()},
        "/healthz": {"get": {"tags": ["service"], "summary": "Alive", "responses": _replies("200", free)}},
        "/readyz": {"get": ready},
        "/metrics": {"get": metrics},
        **foreign_paths(),
        **mlflow_paths(),
        **stream_paths(),
    }


def _predict() -> dict[str, Any]:
    instances = {"type": "array", "items": _INSTANCE}
    many = {
        "type": "object",
        "required": ["instances"],
        "properties": {"instances": instances, "explain": {"type": "boolean"}},
    }
    answers = {"type": "object", "properties": {"predictions": {"type": "array", "items": _PREDICTION}}}
    return {
        "tags": ["predictions"],
        "summary": "Predict one row or many",
        "operationId": "predict",
        "parameters": [
            {"name": "task", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "version", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}},
            {"name": "explain", "in": "query", "schema": {"type": "boolean"}},
        ],
        "requestBody": {"required": True, "content": _json({"oneOf": [_INSTANCE, many]})},
        "responses": _replies("200", {"oneOf": [_PREDICTION, answers]}),
    }


def _outcomes() -> dict[str, Any]:
    ids = {"type": "array", "items": {"type": "string"}}
    accepted = {"type": "object", "properties": {"accepted": {"type": "integer"}, "outcome_ids": ids}}
    several = {"oneOf": [_OUTCOME, {"type": "array", "items": _OUTCOME}]}
    return {
        "tags": ["predictions"],
        "summary": "Say how predictions turned out",
        "operationId": "outcomes",
        "requestBody": {"required": True, "content": _json(several)},
        "responses": _replies("202", accepted),
    }


def _events() -> dict[str, Any]:
    event = {"type": "object", "description": "A value for each column of the stream; null where none is sent."}
    events = {"type": "array", "items": event, "minItems": 1}
    push_id = {"type": "string", "minLength": 1, "maxLength": 128, "description": "A retry with it counts once."}
    push = {"type": "object", "required": ["events"], "properties": {"events": events, "id": push_id}}
    text = {"type": "string"}
    rejected = {"type": "object", "properties": {"index": {"type": "integer"}, "rule": text, "value": text}}
    accepted = {
        "type": "object",
        "properties": {"accepted": {"type": "integer"}, "rejected": {"type": "array", "items": rejected}},
    }
    return {
        "tags": ["features"],
        "summary": "Push events into a stream",
        "operationId": "events",
        "parameters": [{"name": "source", "in": "path", "required": True, "schema": text}],
        "requestBody": {"required": True, "content": _json({"oneOf": [push, events, event]})},
        "responses": _replies("202", accepted),
    }


def _compute() -> dict[str, Any]:
    text = {"type": "string"}
    names = {"type": "array", "items": text, "minItems": 1, "maxItems": 1_000}
    row = {"type": "object", "description": "The keys of the entities, and what on-demand features need besides."}
    rows = {"type": "array", "items": row, "minItems": 1}
    known = {"oneOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}
    found = {
        "type": "object",
        "properties": {
            "values": {"type": "object", "description": "Decimals are text, times ISO 8601, vectors lists."},
            "statuses": {"type": "object", "additionalProperties": {"enum": ["PRESENT", "MISSING", "EXPIRED"]}},
            "known": {"type": "object", "additionalProperties": known, "description": "How far each view had come."},
        },
    }
    properties = {"names": names, "rows": {"type": "array", "items": found}, "at": {**text, "format": "date-time"}}
    asked = {
        "type": "object",
        "required": ["features", "rows"],
        "properties": {"features": names, "rows": rows, "at": _MOMENT},
    }
    return {
        "tags": ["features"],
        "summary": "Read features of many entities as they are now",
        "operationId": "compute",
        "requestBody": {"required": True, "content": _json(asked)},
        "responses": _replies("200", {"type": "object", "properties": properties}),
    }
