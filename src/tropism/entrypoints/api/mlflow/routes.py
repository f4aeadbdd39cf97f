"""The routes. They are not in the OpenAPI document: MLflow's own describes them."""

from __future__ import annotations

from fastapi import APIRouter

from tropism.entrypoints.api.mlflow import artifacts, experiments, logged, metrics, registered, runs, server, versions
from tropism.entrypoints.api.mlflow.calls import endpoint
from tropism.entrypoints.api.mlflow.unsupported import refuse_call

_ROOTS = ("/api/2.0", "/api/3.0")
_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def _routes() -> APIRouter:
    made = APIRouter(include_in_schema=False)
    modules = (server, experiments, runs, metrics, artifacts, logged, registered, versions)
    calls = [call for module in modules for call in module.CALLS]
    for root in _ROOTS:
        for call in calls:
            made.add_route(f"{root}/mlflow/{call.path}", endpoint(call), [call.method])
        base = f"{root}/mlflow-artifacts"
        made.add_route(f"{base}/artifacts", artifacts.list_files, ["GET"])
        made.add_route(f"{base}/artifacts/{{path:path}}", artifacts.file, ["GET", "PUT", "DELETE"])
        for part in ("mpu", "presigned"):
            made.add_route(f"{base}/{part}/{{path:path}}", artifacts.refuse_parts, _ANY)
    for root in (*_ROOTS, "/api/4.0", "/ajax-api/2.0", "/ajax-api/3.0"):
        made.add_route(f"{root}/mlflow/{{path:path}}", refuse_call, _ANY)
        made.add_route(f"{root}/mlflow-artifacts/{{path:path}}", refuse_call, _ANY)
    made.add_route("/version", server.version, ["GET"])
    made.add_route("/health", server.health, ["GET"])
    return made


router = _routes()
