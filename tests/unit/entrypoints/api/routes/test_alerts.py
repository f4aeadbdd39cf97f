from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tropism.core.clock import SECOND
from tropism.core.monitoring import Rule
from tropism.entrypoints.api.control_plane import control_plane
from tropism.wiring import Platform

SLOW = Rule("latency", "latency_p95 > 1s", "low")


@pytest.fixture
async def control(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(control_plane(platform), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        yield client


@pytest.fixture
def fired(platform: Platform) -> str:
    """The id of an open alert."""
    changes = platform.alerts.apply("payments", (SLOW,), {"latency_p95": 2.0}, platform.clock.now())
    return changes.fired[0].id


def actions(platform: Platform) -> list[tuple[str, str]]:
    return [(entry.actor, entry.action) for entry in platform.registry.audit.list()[::-1] if "alert" in entry.action]


async def test_alerts_are_listed_in_both_places(control: httpx.AsyncClient, fired: str) -> None:
    found = (await control.get("/v1/alerts")).json()
    assert [one["id"] for one in found] == [fired]
    assert (found[0]["rule"], found[0]["state"], found[0]["value"]) == ("latency", "open", 2.0)
    assert (await control.get("/api/v1/ml/monitoring/alerts?task=payments&state=open&limit=1")).json() == found
    assert (await control.get("/v1/alerts?state=resolved")).json() == []
    assert (await control.get("/v1/alerts?state=acknowledged")).json() == []
    assert (await control.get(f"/v1/alerts/{fired}")).json() == found[0]


async def test_somebody_looks_after_an_alert(control: httpx.AsyncClient, platform: Platform, fired: str) -> None:
    path = f"/v1/alerts/{fired}/acknowledge"
    found = (await control.post(path, json={"actor": "ann", "comment": "known"})).json()
    assert (found["acknowledged_by"], found["comment"], found["state"]) == ("ann", "known", "open")
    assert actions(platform) == [("ann", "alert.acknowledged")]
    other = await control.post(path)
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert len((await control.get("/v1/alerts?state=acknowledged")).json()) == 1


async def test_a_silence_holds_until_it_ends_or_is_ended(control: httpx.AsyncClient, platform: Platform) -> None:
    order = {"until": "2h", "reason": "the source is moved", "task": "payments", "rule": "drift", "actor": "ann"}
    reply = await control.post("/v1/alerts/silences", json=order)
    assert reply.status_code == 201, reply.text
    made = reply.json()
    assert made["until"] - made["created_at"] == 7_200 * SECOND
    assert (await control.get("/v1/alerts/silences")).json() == [made]
    assert (await control.get("/v1/alerts/silences?task=payments")).json() == [made]
    ended = await control.delete(f"/v1/alerts/silences/{made['id']}?actor=bob")
    assert (ended.status_code, ended.json()) == (200, made)
    assert (await control.get("/v1/alerts/silences")).json() == []
    assert actions(platform) == [("ann", "alerts.silenced"), ("bob", "alerts.unsilenced")]


async def test_a_silence_may_name_a_time_and_everything(control: httpx.AsyncClient) -> None:
    reply = await control.post("/v1/alerts/silences", json={"until": "2100-01-01", "reason": "too far"})
    assert (reply.status_code, reply.json()["faults"][0]["field"]) == (422, "until")
    assert (await control.post("/v1/alerts/silences", json={"until": "1d", "reason": "a move"})).status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"reason": "x"}, 422, "body.until"),
        ({"until": "1h"}, 422, "body.reason"),
        ({"until": "1h", "reason": ""}, 422, "body.reason"),
        ({"until": "soon", "reason": "x"}, 422, "body.until"),
        ({"until": "2020-01-01", "reason": "x"}, 422, "body.until"),
        ({"until": "1h", "reason": "x", "task": "payment"}, 404, "task"),
        ({"until": "1h", "reason": "x", "rule": "drifts"}, 422, "body.rule"),
        ({"until": "1h", "reason": "x", "for": "1h"}, 422, "body.for"),
    ],
)
async def test_a_silence_that_would_silence_nothing_is_refused(
    control: httpx.AsyncClient, body: dict[str, Any], status: int, field: str
) -> None:
    reply = await control.post("/v1/alerts/silences", json=body)
    assert reply.status_code == status
    assert [fault["field"] for fault in reply.json()["faults"]] == [field]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/alerts/nix", 404),
        ("POST", "/v1/alerts/nix/acknowledge", 404),
        ("DELETE", "/v1/alerts/silences/nix", 404),
        ("GET", "/v1/alerts?task=payment", 404),
        ("GET", "/v1/alerts/silences?task=payment", 404),
        ("GET", "/v1/alerts?state=closed", 422),
        ("GET", "/v1/alerts?limit=0", 422),
    ],
)
async def test_what_there_is_not(control: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    reply = await control.request(method, path)
    assert reply.status_code == status
    assert all(fault["fix"] for fault in reply.json()["faults"])
