"""The control plane: tasks, models, decisions, jobs. FastAPI, on the loopback, behind the data plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from tropism import __version__
from tropism.core.errors import Fault, InputError, InvalidInput, NotFound, TropismError
from tropism.entrypoints.api.description import describe
from tropism.entrypoints.api.problems import internal, problem, problem_headers
from tropism.entrypoints.api.routes import decisions, jobs, models, monitoring, tasks

if TYPE_CHECKING:
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
    )
    app.state.platform = platform
    for module in (tasks, monitoring, models, decisions, jobs):
        app.include_router(module.router)
    app.add_exception_handler(TropismError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_request)
    app.add_exception_handler(HTTPException, _refuse_path)
    app.add_exception_handler(Exception, _fail)
    describe(app)
    return app


def _reply(error: TropismError, status: int | None = None) -> Response:
    document = problem(error, status)
    return Response(msgspec.json.encode(document), document.status, problem_headers(document.status))


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, TropismError)
    return _reply(error)


async def _refuse_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [
        Fault(".".join(str(part) for part in fault["loc"]), str(fault.get("input", ""))[:200], fault["msg"])
        for fault in error.errors()
    ]
    return _reply(InvalidInput("the request does not fit", *faults))


async def _refuse_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 404:
        return _reply(NotFound(f"there is no {path}", Fault("path", path, "see /openapi.json for what there is")))
    fault = Fault("method", request.method, "see /openapi.json for what this path takes")
    return _reply(InputError(str(error.detail), fault), error.status_code)


async def _fail(_: Request, __: Exception) -> Response:
    return _reply(internal())
