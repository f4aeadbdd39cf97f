from __future__ import annotations

import json

import pytest

from tropism.core.errors import (
    DiskFull,
    Fault,
    InputError,
    MalformedBody,
    NotReady,
    RateLimited,
    TooLarge,
    TropismError,
    UnknownFeature,
    UnknownTask,
    UnknownVersion,
)
from tropism.entrypoints.api.protocols.open_inference_errors import error_reply, sentence, wrong_method


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (InputError, 400),
        (UnknownFeature, 400),
        (MalformedBody, 400),
        (UnknownTask, 404),
        (UnknownVersion, 404),
        (TooLarge, 413),
        (RateLimited, 429),
        (TropismError, 500),
        (NotReady, 503),
        (DiskFull, 507),
    ],
)
def test_an_error_has_a_status_and_one_field(kind: type[TropismError], status: int) -> None:
    reply = error_reply(kind("it went wrong", Fault("rows", "2,000", "send fewer")))
    assert reply.status == status
    assert json.loads(reply.body) == {"error": "it went wrong (rows is 2,000: send fewer)"}
    headers = dict(reply.headers)
    assert headers[b"content-type"] == b"application/json"
    assert (headers.get(b"retry-after") == b"1") == (status in (429, 503))


def test_every_fault_is_told() -> None:
    error = InputError("two things", Fault("a", "1", "send b"), Fault("", "", "see the log"))
    assert sentence(error) == "two things (a is 1: send b; see the log)"
    assert sentence(InputError("just this")) == "just this"


def test_a_wrong_method_names_the_right_ones() -> None:
    reply = wrong_method("PUT", ("GET", "HEAD"))
    assert reply.status == 405
    assert dict(reply.headers)[b"allow"] == b"GET, HEAD"
    assert "GET, HEAD" in json.loads(reply.body)["error"]
