"""Errors as MLflow's clients expect them: a code of MLflow's, and a message."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from starlette.responses import Response

from tropism.core.errors import (
    Conflict,
    DiskFull,
    InputError,
    NotFound,
    NotReady,
    NotWritable,
    PolicyRefused,
    RateLimited,
    TooLarge,
    TropismError,
)


class Refusal(NamedTuple):
    """A code of MLflow's and its HTTP status."""

    code: str
    status: int


_REFUSALS: dict[type[TropismError], Refusal] = {
    TropismError: Refusal("INTERNAL_ERROR", 500),
    InputError: Refusal("INVALID_PARAMETER_VALUE", 400),
    TooLarge: Refusal("BAD_REQUEST", 413),
    PolicyRefused: Refusal("PERMISSION_DENIED", 403),
    NotFound: Refusal("RESOURCE_DOES_NOT_EXIST", 404),
    Conflict: Refusal("RESOURCE_ALREADY_EXISTS", 400),
    RateLimited: Refusal("REQUEST_LIMIT_EXCEEDED", 429),
    NotReady: Refusal("TEMPORARILY_UNAVAILABLE", 503),
    DiskFull: Refusal("RESOURCE_LIMIT_EXCEEDED", 507),
    NotWritable: Refusal("IO_ERROR", 507),
}
DISABLED = Refusal("FEATURE_DISABLED", 501)
UNKNOWN = Refusal("ENDPOINT_NOT_FOUND", 404)


def refusal_of(error: TropismError) -> Refusal:
    """What MLflow calls an error.

    >>> from tropism.core.errors import InvalidInput
    >>> refusal_of(InvalidInput("'step' does not fit"))
    Refusal(code='INVALID_PARAMETER_VALUE', status=400)
    """
    return next(_REFUSALS[kind] for kind in type(error).__mro__ if kind in _REFUSALS)


def refuse(refusal: Refusal, message: str) -> Response:
    """The reply that says no."""
    body = msgspec.json.encode({"error_code": refusal.code, "message": message})
    return Response(body, refusal.status, media_type="application/json")
