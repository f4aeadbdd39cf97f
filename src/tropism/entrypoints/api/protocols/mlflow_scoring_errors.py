"""Errors in the form of MLflow's scoring server: four fields, and plain text for a wrong content type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from tropism.core.errors import (
    DiskFull,
    InputError,
    MalformedBody,
    NotFound,
    NotReady,
    RateLimited,
    TooLarge,
    TropismError,
)
from tropism.entrypoints.api.asgi import Reply
from tropism.entrypoints.api.problems import RETRY_AFTER

if TYPE_CHECKING:
    from tropism.entrypoints.api.asgi import Headers

JSON_TYPE, CSV_TYPE, PARQUET_TYPE = "application/json", "text/csv", "application/vnd.apache.parquet"
CHANGED = (
    "IMPORTANT: The MLflow Model scoring protocol has changed in MLflow version 2.0. If you are seeing this error, "
    "you are likely using an outdated scoring request format. To resolve the error, either update your request format "
    "or adjust your MLflow Model's requirements file to specify an older version of MLflow (for example, change the "
    "'mlflow' requirement specifier to 'mlflow==1.30.0'). If you are making a request using the MLflow client (e.g. "
    "via `mlflow.pyfunc.spark_udf()`), upgrade your MLflow client to a version >= 2.0 in order to use the new request "
    "format. For more information about the updated MLflow Model scoring protocol in MLflow 2.0, see "
    "https://mlflow.org/docs/latest/models.html#deploy-mlflow-models."
)
_TYPES = [CSV_TYPE, JSON_TYPE, PARQUET_TYPE]
_TEXT: Headers = [(b"content-type", b"text/plain; charset=utf-8")]


class _Kind(NamedTuple):
    status: int
    code: str
    classified: dict[str, str]


_INTERNAL = {"sqlstate": "XXM00", "error_class": "CLIENT_INTERNAL_ERROR"}
_INVALID = {"sqlstate": "KAM00", "error_class": "INVALID_PARAMETER_VALUE"}
_MALFORMED = _Kind(400, "BAD_REQUEST", _INVALID)
_UNFIT = {"sqlstate": "KAM01", "error_class": "SCHEMA_ENFORCEMENT_FAILED"}
_AWAY = _Kind(503, "TEMPORARILY_UNAVAILABLE", _INTERNAL)
_KINDS: dict[type[TropismError], _Kind] = {
    TropismError: _Kind(500, "INTERNAL_ERROR", _INTERNAL),
    InputError: _Kind(400, "INVALID_PARAMETER_VALUE", _UNFIT),
    MalformedBody: _MALFORMED,
    TooLarge: _MALFORMED,
    NotFound: _Kind(404, "RESOURCE_DOES_NOT_EXIST", {"sqlstate": "KAM00", "error_class": "RESOURCE_NOT_FOUND"}),
    RateLimited: _Kind(429, "REQUEST_LIMIT_EXCEEDED", {}),
    NotReady: _AWAY,
    DiskFull: _AWAY,
}


def error_reply(error: TropismError) -> Reply:
    """An error as MLflow's server tells it, without the stack trace that MLflow adds to some.

    >>> from tropism.core.errors import UnknownTask
    >>> reply = error_reply(UnknownTask("there is no task 'prise'"))
    >>> reply.status, reply.body[:41]
    (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST",')
    """
    kind = next(_KINDS[one] for one in type(error).__mro__ if one in _KINDS)
    content = {"error_code": kind.code, "message": str(error), **kind.classified}
    headers: Headers = [(b"content-type", b"application/json")]
    if kind.status in (429, 503):
        headers.append((b"retry-after", str(RETRY_AFTER).encode()))
    return Reply(kind.status, json.dumps(content).encode(), headers, code=error.code)


def media_type(content_type: str) -> str | Reply:
    """The media type of a body that can be read, or the reply that refuses it, word for word MLflow's.

    >>> media_type("application/json; charset=utf-8")
    'application/json'
    >>> media_type("text/plain").body[-17:]
    b"Got 'text/plain'."
    """
    kind, *others = (part.strip() for part in content_type.split(";"))
    pairs = {key: value for key, _, value in (one.partition("=") for one in others)}
    if pairs.get("charset", "utf-8").lower() != "utf-8":
        return _refusal("The scoring server only supports UTF-8")
    unknown = [name for name in pairs if name != "charset"]
    if unknown:
        return _refusal(f"Unrecognized content type parameters: {', '.join(unknown)}. {CHANGED}")
    if kind not in _TYPES:
        text = f"This predictor only supports the following content types: Types: {_TYPES}. Got '{content_type}'."
        return _refusal(text)
    return kind


def _refusal(text: str) -> Reply:
    return Reply(415, text.encode(), _TEXT)
