"""Bodies that cannot be used, over one connection: a refusal that helps, and the next request is answered as ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tropism.serving import HttpSettings

PREDICT, OUTCOMES = "/v1/tasks/price/predict", "/v1/outcomes"
ROW = b'{"features": {"demand": 1}}'
OUTCOME = b'{"task": "price", "entity": "e", "at": 1, "outcome": true}'
MANY = b'{"instances": [%b]}' % b", ".join([ROW] * 21)


def request(path: str, body: bytes, *more: str) -> bytes:
    return (
        "\r\n".join([f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *more, "", ""]).encode() + body
    )


@pytest.fixture
async def caller(plane: Any, swift: Any, served: Callable[..., Any]) -> AsyncIterator[Any]:
    plane.settings = HttpSettings(max_body_bytes=1_000_000, max_rows=20)
    plane.serve(swift())
    async with served(plane) as server:
        yield await server.caller()


SHARED = [
    (b"", 400, "malformed-body"),
    (b"   ", 400, "malformed-body"),
    (b"\x00", 400, "malformed-body"),
    (b"demand=1", 400, "malformed-body"),
    (b"[" * 100_000, 400, "malformed-body"),
    (b'{"features":' * 50_000, 400, "malformed-body"),
    (b'{"features": {"demand": 1}, "x": ' + b"[" * 900 + b"]" * 900 + b"}", None, None),
    (b"\xff\xfe" + ROW.decode().encode("utf-16-le"), 400, "malformed-body"),
    (ROW.decode().encode("utf-16-be"), 400, "malformed-body"),
    (ROW.decode().encode("utf-32"), 400, "malformed-body"),
    (b"\xef\xbb\xbf" + ROW, 400, "malformed-body"),
    (b'{"x": "\xc3"}', 400, "malformed-body"),
    (b'{"x": "\\ud800"}', 400, "malformed-body"),
    (b'{"x": "\\udc00\\ud800"}', 400, "malformed-body"),
    (b'{"x": 1, "x": 1}', 400, "malformed-body"),
    (b'{"x": ' + b"9" * 5_000 + b"}", 400, "malformed-body"),
    (b'{"x": 1e999}', 400, "malformed-body"),
    (b"null", 422, None),
    (b"[1]", 422, None),
    (b'"text"', 422, None),
    (b"1e5", 422, None),
    (b"[" + b"1," * 400_000 + b"1]", None, None),
]
ON_PREDICT = [
    *((ROW[:length], 400, "malformed-body") for length in range(1, len(ROW))),
    (b'{"features": {"demand": NaN}}', 400, "malformed-body"),
    (b'{"features": {"demand": Infinity}}', 400, "malformed-body"),
    (b'{"features": {"demand": -Infinity}}', 400, "malformed-body"),
    (b'{"features": {"demand": "NaN"}}', 422, "invalid-input"),
    (b'{"features": {"demand": 1, "demand": 2}}', 400, "malformed-body"),
    (b'{"features": {"demand": 1, "dem\\u0061nd": 2}}', 400, "malformed-body"),
    (b'{"features": {"demand": 1}, "features": {"demand": 1}}', 400, "malformed-body"),
    (b'{"instances": [{"features": {"demand": 1}}], "instances": []}', 400, "malformed-body"),
    (b'{"features": {"demand": ' + b"9" * 309 + b"}}", 422, "invalid-input"),
    (b'{"features": {"demand": ' + b"9" * 5_000 + b"}}", 400, "malformed-body"),
    (b'{"features": {"demand": [1]}}', 422, "invalid-input"),
    (b'{"features": [1]}', 422, "invalid-input"),
    (b'{"features": {"demand": 1}, "entity": 5}', 422, "invalid-input"),
    (b'{"features": {"demand": 1}, "at": 1e300}', 422, "invalid-input"),
    (b'{"features": {"demand": 1}, "prediction_id": "x"}', 422, "invalid-input"),
    (MANY, 413, "too-large"),
]
ON_OUTCOMES = [
    *((OUTCOME[:length], 400, "malformed-body") for length in range(1, len(OUTCOME))),
    (OUTCOME.replace(b"true", b"NaN"), 400, "malformed-body"),
    (OUTCOME.replace(b"true", b"Infinity"), 400, "malformed-body"),
    (OUTCOME.replace(b"true", b'true, "outcome": false'), 400, "malformed-body"),
    (OUTCOME.replace(b"true", b"1e300"), 422, "invalid-outcome"),
    (OUTCOME.replace(b"true", b"9" * 400), 422, "invalid-outcome"),
    (OUTCOME.replace(b"price", b"prise"), 404, "unknown-task"),
    (b'{"outcomes": []}', 422, "invalid-outcome"),
    (b'{"prediction_id": "018bcfe5-6800-7000-8000-00000000c3d4", "outcome": true}', 422, "invalid-outcome"),
    (b"[" + b", ".join([OUTCOME] * 21) + b"]", 413, "too-large"),
]


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [(PREDICT, ROW, SHARED + ON_PREDICT), (OUTCOMES, OUTCOME, SHARED + ON_OUTCOMES)],
    ids=["predict", "outcomes"],
)
async def test_a_bad_body_is_the_callers_fault_and_harms_nothing(
    caller: Any, plane: Any, path: str, good: bytes, bad: list[tuple[bytes, int | None, str | None]]
) -> None:
    for body, status, code in bad:
        before = plane.recorded()
        caller.send(request(path, body))
        found, headers, content = await caller.reply()
        assert 400 <= found < 500, (body[:80], found)
        assert status in (None, found), (body[:80], content)
        assert code in (None, content["code"]), (body[:80], content)
        assert headers["content-type"] == "application/problem+json"
        assert content["faults"]
        assert all(fault["field"] and fault["fix"] for fault in content["faults"])
        assert len(json.dumps(content)) < 20_000, "what was sent is not sent back"
        assert plane.recorded() == before
        caller.send(request(path, good))
        assert (await caller.reply())[0] in (200, 202), body[:80]


@pytest.mark.parametrize("path", [PREDICT, OUTCOMES, "/v1/tasks/prise/predict"])
async def test_ten_megabytes_are_refused(path: str, plane: Any, swift: Any, served: Callable[..., Any]) -> None:
    plane.serve(swift())
    async with served(plane) as server:
        caller, other = await server.caller(), await server.caller()
        caller.send(request(path, b'{"features": {"demand": "%b"}}' % (b"x" * 10_000_000)))
        status, headers, content = await caller.reply()
        assert (status, content["code"], headers["connection"]) == (413, "too-large", "close")
        other.send(request(PREDICT, ROW))
        assert await other.statuses(1) == [200]


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/octet-stream", "multipart/form-data; boundary=x", "nonsense", "", "text/csv;;=", "*/*"],
)
async def test_the_name_of_the_content_never_breaks_it(caller: Any, kind: str) -> None:
    caller.send(request(PREDICT, ROW, f"content-type: {kind}") + request(PREDICT, b"{", f"content-type: {kind}"))
    good, bad = await caller.reply(), await caller.reply()
    assert good[0] < 500
    assert 400 <= bad[0] < 500
    caller.send(request(PREDICT, ROW))
    assert await caller.statuses(1) == [200]


@pytest.mark.parametrize(
    "path",
    ["/v1/tasks/prise/predict", "/v1/tasks/%00/predict", "/v1/tasks/pr%69se/predict", "/v1/tasks/%ff%fe/predict"],
)
async def test_an_unknown_task_is_named(caller: Any, path: str) -> None:
    caller.send(request(path, ROW) + request(PREDICT, ROW))
    status, _, content = await caller.reply()
    assert (status, content["code"]) == (404, "unknown-task")
    assert await caller.statuses(1) == [200]


async def test_an_encoded_name_of_a_task_is_its_name(caller: Any, plane: Any) -> None:
    caller.send(request("/v1/tasks/pr%69ce/predict", ROW))
    assert await caller.statuses(1) == [200]
    assert plane.recorded() == 1


async def test_all_bad_bodies_at_once_are_refused_in_order(caller: Any) -> None:
    sent = [one for one in ON_PREDICT if one[1] is not None]
    caller.send(b"".join(request(PREDICT, body) + request(PREDICT, ROW) for body, _, _ in sent))
    await asyncio.sleep(0)
    expected = [status for _, status, _ in sent for status in (status, 200)]
    assert await caller.statuses(len(expected)) == expected
