"""Pushing events over HTTP, through the data plane's application."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tropism.core.clock import SECOND
from tropism.features import Decimal, StreamSource
from tropism.features.checks import rule
from tropism.features.streams import EventReader
from tropism.serving import HttpSettings, Snapshot

EVENTS = "/v1/features/payments/events"
NOW = 1_700_000_000 * SECOND
EVENT = {"account_id": "a-17", "amount": "9.50", "at": "2023-11-14T22:00:00Z"}
SOURCE = StreamSource(
    name="payments",
    timestamp="at",
    schema={"account_id": str, "amount": Decimal(2)},
    rules=(rule.range("amount", 0, policy="reject"),),
)


@pytest.fixture
def plane(plane: Any) -> Any:
    streaming(plane)
    return plane


def streaming(plane: Any) -> None:
    streams = {"payments": EventReader(SOURCE, keys=("account_id",))}
    plane.holder.current = Snapshot(9, plane.holder.current.deployments, streams=streams)


async def test_events_are_accepted_and_counted(http: httpx.AsyncClient, plane: Any) -> None:
    response = await http.post(EVENTS, json={"events": [EVENT, {**EVENT, "amount": -1}], "id": "7"})
    assert response.status_code == 202
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "accepted": 1,
        "rejected": [{"index": 1, "rule": "range of 'amount'", "value": "-1"}],
    }
    assert plane.recorded() == 1
    lines = (await http.get("/metrics")).text.splitlines()
    assert 'tropism_stream_events_total{stream="payments",result="accepted"} 1' in lines
    assert 'tropism_stream_events_total{stream="payments",result="rejected"} 1' in lines


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        (b"", 400, "malformed-body", "the body is empty"),
        (b"account_id=a", 400, "malformed-body", "not JSON"),
        ({**EVENT, "amuont": 1}, 422, "invalid-input", "did you mean 'amount'?"),
        ({**EVENT, "at": NOW + 61 * SECOND}, 422, "invalid-input", "from the future"),
        ({**EVENT, "amount": True}, 422, "invalid-input", "'amount' is not of type decimal"),
        ({**EVENT, "account_id": None}, 422, "invalid-input", "'account_id' is null"),
        ({"events": []}, 422, "invalid-input", "the body has no event"),
        ([EVENT] * 21, 413, "too-large", "send at most 20 at a time (max_rows)"),
    ],
)
async def test_what_cannot_be_used_is_the_callers_fault(
    http: httpx.AsyncClient, plane: Any, body: Any, status: int, code: str, says: str
) -> None:
    response = await http.post(EVENTS, content=body if isinstance(body, bytes) else json.dumps(body).encode())
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert says in response.text
    assert all(fault["field"] and fault["fix"] for fault in response.json()["faults"])
    assert plane.recorded() == 0


async def test_ten_megabytes_are_too_many(plane: Any) -> None:
    plane.settings = HttpSettings()
    body = json.dumps({"events": [{**EVENT, "account_id": "x" * 10_000_000}]}).encode()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(plane.app()), base_url="http://tropism") as client:
        response = await client.post(EVENTS, content=body)
        assert (response.status_code, response.json()["code"]) == (413, "too-large")
        assert response.json()["faults"] == [
            {
                "field": "body",
                "value": f"{len(body)} bytes",
                "fix": "send at most 8388608 bytes (max_body_bytes), in several requests",
            }
        ]
        assert (await client.post(EVENTS, json=EVENT)).status_code == 202


async def test_an_unknown_stream_lists_the_streams(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/features/payment/events", json=EVENT)
    assert (response.status_code, response.json()["code"]) == (404, "not-found")
    assert "payments" in response.json()["faults"][0]["fix"]


async def test_events_are_posted(http: httpx.AsyncClient) -> None:
    response = await http.get(EVENTS)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_a_full_disk_is_said_and_nothing_acknowledged(full_plane: Any) -> None:
    streaming(full_plane)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(full_plane.app()), base_url="http://tropism") as client:
        response = await client.post(EVENTS, json=EVENT)
    assert (response.status_code, response.json()["code"]) == (507, "disk-full")
    assert full_plane.recorded() == 0


async def test_a_reply_waits_for_the_journal(plane: Any) -> None:
    written, flushed = asyncio.Event(), asyncio.Event()

    def slow(seq: int) -> asyncio.Future[Any]:
        written.set()
        return asyncio.ensure_future(flushed.wait())

    plane.journal.flushing = slow
    async with httpx.AsyncClient(transport=httpx.ASGITransport(plane.app()), base_url="http://tropism") as client:
        asked = asyncio.create_task(client.post(EVENTS, json=EVENT))
        await asyncio.wait_for(written.wait(), 10)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not asked.done()
        flushed.set()
        assert (await asked).status_code == 202


NAMES = st.sampled_from(["account_id", "amount", "at", "events", "id", "x"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from([10**310, "2023-11-14", "9.5", "1e400"])
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5))
BODIES = st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode())


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(body=BODIES)
def test_no_input_is_a_failure_of_ours(plane: Any, body: bytes) -> None:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(plane.app()), base_url="http://tropism") as client:
            return await client.post(EVENTS, content=body)

    before = plane.recorded()
    response = asyncio.run(ask())
    assert response.status_code < 500
    assert response.is_success or plane.recorded() == before
    if not response.is_success:
        content = response.json()
        assert content["detail"] and content["faults"]
        assert all(fault["field"] and fault["fix"] for fault in content["faults"])
