from __future__ import annotations

import json

import pytest

from tropism.core import errors
from tropism.entrypoints.api.protocols.mlflow_scoring_errors import error_reply, media_type


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.MalformedBody, 400, "BAD_REQUEST"),
        (errors.TooLarge, 400, "BAD_REQUEST"),
        (errors.InvalidInput, 400, "INVALID_PARAMETER_VALUE"),
        (errors.MissingFeature, 400, "INVALID_PARAMETER_VALUE"),
        (errors.UnknownTask, 404, "RESOURCE_DOES_NOT_EXIST"),
        (errors.RateLimited, 429, "REQUEST_LIMIT_EXCEEDED"),
        (errors.NotReady, 503, "TEMPORARILY_UNAVAILABLE"),
        (errors.DiskFull, 503, "TEMPORARILY_UNAVAILABLE"),
        (errors.TropismError, 500, "INTERNAL_ERROR"),
    ],
)
def test_an_error_has_the_status_that_mlflow_gives_its_code(
    error: type[errors.TropismError], status: int, code: str
) -> None:
    reply = error_reply(error("what", errors.Fault("field", "value", "do this")))
    content = json.loads(reply.body)
    assert (reply.status, content["error_code"]) == (status, code)
    assert content["message"] == "what\n  field: got value; do this"
    assert (b"retry-after" in dict(reply.headers)) is (status in (429, 503))


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv;charset=UTF-8", "text/csv ; charset=utf-8"])
def test_parameters_do_not_change_a_type(content_type: str) -> None:
    assert media_type(content_type) == "text/csv"
