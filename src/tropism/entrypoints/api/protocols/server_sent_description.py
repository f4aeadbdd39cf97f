"""Streams of predictions in our own OpenAPI document, as far as OpenAPI can tell of them."""

from __future__ import annotations

from typing import Any

_TASK = {"name": "task", "in": "path", "required": True, "schema": {"type": "string"}}
_REFUSED = {
    "description": "Refused: what to change",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def stream_paths() -> dict[str, Any]:
    """Path items of both streams, to be merged into a document's `paths`.

    >>> sorted(stream_paths())
    ['/v1/tasks/{task}/predictions/stream', '/v1/tasks/{task}/stream']
    """
    entity = {
        "name": "entity",
        "in": "query",
        "schema": {"type": "array", "items": {"type": "string"}},
        "explode": True,
        "description": "Whose predictions to send; all without it.",
    }
    events = {"description": "Events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    return {
        "/v1/tasks/{task}/stream": {
            "get": {
                "tags": ["predictions"],
                "summary": "Predict over a WebSocket, a message for each request",
                "parameters": [_TASK],
                "responses": {"101": {"description": "Switching protocols"}, "default": _REFUSED},
            }
        },
        "/v1/tasks/{task}/predictions/stream": {
            "get": {
                "tags": ["predictions"],
                "summary": "Predictions as they are made, as server-sent events",
                "parameters": [_TASK, entity],
                "responses": {"200": events, "default": _REFUSED},
            }
        },
    }
