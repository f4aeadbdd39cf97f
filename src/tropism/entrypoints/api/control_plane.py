"""The control plane: tasks, models, decisions, jobs. FastAPI, on the loopback, behind the data plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from tropism import __version__
from tropism.core.errors import Fault, InputError, InvalidInput, MalformedBody, NotFound, TropismError
from tropism.entrypoints.api.description import describe
from tropism.entrypoints.api.json_bodies import JsonBodies
from tropism.entrypoints.api.mlflow import router as mlflow
from tropism.entrypoints.api.problems import internal, problem, problem_headers
from tropism.entrypoints.api.request_faults import request_fault, sendable
from tropism.entrypoints.api.routes import (
    alerts,
    analytics,
    decisions,
    experiments,
    feature_watching,
    features,
    flags,
    governance,
    health,
    importance,
    jobs,
    lineage,
    models,
    monitoring,
    monitoring_drift,
    runs,
    tasks,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.wiring import Platform


class JSON(Response):
    """JSON of anything msgspec can encode, structs included."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


def control_plane(platform: Platform) -> FastAPI:
    """The application over a project's parts."""
    app = FastAPI(
        title="Tropism",
        version=__version__,
        summary="Predictions, outcomes, models and the decisions about them.",
        default_response_class=JSON,
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.platform = platform
    watching = (monitoring, monitoring_drift, alerts, analytics, health)
    deciding = (decisions, experiments, flags, governance)
    for module in (tasks, models, runs, *watching, *deciding, jobs, lineage, feature_watching, features, importance):
        app.include_router(module.router)
    app.include_router(mlflow)
    app.add_exception_handler(TropismError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_request)
    app.add_exception_handler(HTTPException, _refuse_path)
    app.add_exception_handler(UnicodeEncodeError, _refuse_text)
    app.add_exception_handler(Exception, _fail)
    app.add_middleware(JsonBodies)
    describe(app)
    return app


def _reply(error: TropismError, status: int | None = None, headers: Mapping[str, str] | None = None) -> Response:
    document = problem(error, status)
    headers = {**problem_headers(document.status), **(headers or {})}
    return Response(msgspec.json.encode(document), document.status, headers)


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, TropismError)
    return _reply(error)


async def _refuse_text(_: Request, error: Exception) -> Response:
    assert isinstance(error, UnicodeEncodeError)
    value = sendable(error.object[max(0, error.start - 20) : error.start + 20])
    return _reply(MalformedBody("a text cannot be stored", Fault("body", value, "send whole characters, in UTF-8")))


async def _refuse_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    for fault in found:
        if fault["type"] == "json_invalid":
            reason = fault.get("ctx", {}).get("error", "it ends too early")
            place = f"{reason}, at character {fault['loc'][-1]}"
            return _reply(MalformedBody("the body is not JSON", Fault("body", place, "send one JSON object")))
    return _reply(InvalidInput("the request does not fit", *(request_fault(fault) for fault in found)))


async def _refuse_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 404:
        return _reply(NotFound(f"there is no {path}", Fault("path", path, "see /openapi.json for what there is")))
    allowed = (error.headers or {}).get("Allow")
    fix = f"use {allowed}" if allowed else "see /openapi.json for what this path takes"
    message = f"{request.method} does not fit this path" if error.status_code == 405 else str(error.detail)
    return _reply(InputError(message, Fault("method", request.method, fix)), error.status_code, error.headers)


async def _fail(_: Request, __: Exception) -> Response:
    return _reply(internal())
