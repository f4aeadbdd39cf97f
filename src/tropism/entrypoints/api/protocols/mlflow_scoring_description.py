"""MLflow's scoring protocol in our own OpenAPI document."""

from __future__ import annotations

from typing import Any

from tropism.entrypoints.api.protocols.mlflow_scoring_errors import CSV_TYPE, JSON_TYPE, PARQUET_TYPE

_TEXT = {"type": "string"}
_LIST = {"type": "array", "items": {}}
_RECORDS = {"type": "array", "items": {"type": "object"}}
_SPLIT = {
    "type": "object",
    "required": ["data"],
    "properties": {"columns": {"type": "array", "items": _TEXT}, "index": _LIST, "data": _LIST},
}
_PARAMS = {"type": "object", "description": "`entity` and `unit`: a text, or one for each row. Others are not used."}
_ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": dict.fromkeys(("error_code", "message", "sqlstate", "error_class"), _TEXT),
}


def mlflow_paths() -> dict[str, Any]:
    """Path items of the protocol, to be merged into a document's `paths`.

    >>> sorted(mlflow_paths())[0]
    '/health'
    """
    said = {"/ping": "Models are loaded", "/health": "Models are loaded", "/version": "The version of the protocol"}
    return {
        "/invocations": {"post": _invocations("query")},
        "/tasks/{task}/invocations": {"post": _invocations("path")},
        "/models/{task}/invocations": {"post": _invocations("path")},
        **{path: {"get": _read(summary)} for path, summary in said.items()},
    }


def _invocations(place: str) -> dict[str, Any]:
    forms = {"dataframe_split": _SPLIT, "dataframe_records": _RECORDS, "inputs": {}, "instances": {}}
    bodies = [
        {"type": "object", "required": [name], "properties": {name: schema, "params": _PARAMS}}
        for name, schema in forms.items()
    ]
    reply = {
        "type": "object",
        "required": ["predictions"],
        "properties": {"predictions": _LIST, "prediction_ids": {"type": "array", "items": _TEXT}},
    }
    ids = {"name": "ids", "in": "query", "schema": {"type": "boolean"}, "description": "Send `prediction_ids` too."}
    tables = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (CSV_TYPE, PARQUET_TYPE)}
    return {
        "tags": ["MLflow"],
        "summary": "Predict, in MLflow's forms",
        "parameters": [{"name": "task", "in": place, "required": place == "path", "schema": _TEXT}, ids],
        "requestBody": {"required": True, "content": {JSON_TYPE: {"schema": {"oneOf": bodies}}, **tables}},
        "responses": {
            "200": {"description": "Done", "content": {JSON_TYPE: {"schema": reply}}},
            "415": {"description": "Another content type", "content": {"text/plain": {"schema": _TEXT}}},
            "default": {"description": "Refused", "content": {JSON_TYPE: {"schema": _ERROR}}},
        },
    }


def _read(summary: str) -> dict[str, Any]:
    return {"tags": ["MLflow"], "summary": summary, "responses": {"200": {"description": "Yes"}}}
