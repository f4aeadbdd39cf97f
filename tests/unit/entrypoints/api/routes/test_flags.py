from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tropism.entrypoints.api.control_plane import control_plane
from tropism.wiring import Platform

GERMAN = {"rules": [{"when": "country == 'DE'", "serve": "on"}]}


@pytest.fixture
async def control(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(control_plane(platform), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        yield client


async def put(control: httpx.AsyncClient, key: str = "beta", body: Any = GERMAN, **query: Any) -> httpx.Response:
    return await control.put(f"/v1/flags/{key}", json=body, params=query)


async def test_a_flag_is_made_read_listed_and_deleted(control: httpx.AsyncClient) -> None:
    made = await put(control, actor="ann")
    assert made.status_code == 200, made.text
    assert (made.json()["revision"], made.json()["flag"]["key"]) == (1, "beta")
    assert (await control.get("/v1/flags/beta")).json() == made.json()
    assert (await control.get("/v1/flags")).json() == {"flags": [made.json()]}
    assert (await control.put("/v1/flags/beta", json=made.json()["flag"])).json()["revision"] == 1
    assert (await control.delete("/v1/flags/beta?actor=bob")).json() == made.json()
    assert (await control.get("/v1/flags/beta")).status_code == 404
    history = (await control.get("/v1/flags/beta/history")).json()
    assert [(one["actor"], one["action"]) for one in history] == [("bob", "flag.deleted"), ("ann", "flag.created")]
    assert len((await control.get("/v1/flags/beta/history?limit=1")).json()) == 1


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"rules": [{"when": "country = 1", "serve": "on"}]}, 422, "rules[0].when"),
        ({"rules": [{"rollout": {"on": 0.5}}]}, 422, "rules[0].rollout"),
        ({"prerequisites": [{"flag": "beta", "variant": "on"}]}, 422, "prerequisites"),
        ({"rule": []}, 422, "flag.rule"),
        ({"until": "soon"}, 422, "flag.until"),
        ({"key": "other"}, 422, "body.key"),
        ([], 422, "body"),
    ],
)
async def test_a_flag_that_cannot_be_used_is_refused(
    control: httpx.AsyncClient, body: Any, status: int, field: str
) -> None:
    reply = await put(control, body=body)
    assert (reply.status_code, reply.json()["faults"][0]["field"]) == (status, field)
    assert reply.json()["faults"][0]["fix"]
    assert (await control.get("/v1/flags")).json() == {"flags": []}


async def test_a_change_of_an_older_revision_is_refused(control: httpx.AsyncClient) -> None:
    await put(control, revision=0)
    assert (await put(control, body={}, revision=0)).status_code == 409
    assert (await put(control, body={}, revision=1, comment="simpler")).json()["revision"] == 2


async def test_a_flag_is_switched_and_killed(control: httpx.AsyncClient) -> None:
    await put(control, body={"rules": [{"serve": "on"}]})

    async def switched(**order: Any) -> bool:
        reply = await control.post("/v1/flags/beta/toggle", json=order)
        assert reply.status_code == 200, reply.text
        return bool((await control.post("/ofrep/v1/evaluate/flags/beta", json={})).json()["value"])

    assert not await switched(enabled=False)
    assert await switched(enabled=True)
    assert await switched(enabled=False, environment="eu")
    assert not (await control.post("/v1/flags/beta/evaluate", json={"environment": "eu"})).json()["value"]
    assert not await switched(killed=True, actor="ann")
    assert await switched(killed=False)
    for order in ({}, {"enabled": True, "killed": True}, {"killed": True, "environment": "eu"}, {"on": True}):
        assert (await control.post("/v1/flags/beta/toggle", json=order)).status_code == 422
    assert (await control.post("/v1/flags/other/toggle", json={"enabled": True})).status_code == 404


async def test_it_is_explained_who_gets_what(control: httpx.AsyncClient) -> None:
    await put(control)
    found = (await control.post("/v1/flags/beta/evaluate", json={"context": {"country": "NL"}})).json()
    assert (found["variant"], found["reason"]) == ("off", "DEFAULT")
    assert found["why"] == ["rule 1: country == 'DE' does not hold", "no rule holds: the default is served"]
    assert (await control.post("/v1/flags/beta/evaluate")).json()["variant"] == "off"
    assert (await control.post("/v1/flags/other/evaluate")).status_code == 404


async def test_clients_that_poll_are_told_of_changes_only(control: httpx.AsyncClient) -> None:
    await put(control)
    etag = (await control.get("/v1/flags")).headers["etag"]
    same = await control.get("/v1/flags", headers={"if-none-match": etag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    await control.post("/v1/flags/beta/toggle", json={"enabled": False})
    assert (await control.get("/v1/flags", headers={"if-none-match": etag})).status_code == 200


async def test_openfeature_asks_for_one_flag(control: httpx.AsyncClient) -> None:
    await put(control)
    path = "/ofrep/v1/evaluate/flags/beta"
    reply = await control.post(path, json={"context": {"country": "DE"}})
    assert (reply.status_code, reply.json()["value"], reply.json()["reason"]) == (200, True, "TARGETING_MATCH")
    missing = await control.post("/ofrep/v1/evaluate/flags/other", json={})
    assert (missing.status_code, missing.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")
    broken = await control.post(path, content=b"{")
    assert (broken.status_code, broken.json()["errorCode"]) == (400, "PARSE_ERROR")


async def test_openfeature_asks_for_all_flags(control: httpx.AsyncClient) -> None:
    await put(control)
    path, body = "/ofrep/v1/evaluate/flags", {"context": {"country": "DE"}}
    reply = await control.post(path, json=body)
    assert [flag["variant"] for flag in reply.json()["flags"]] == ["on"]
    known = {"if-none-match": reply.headers["etag"]}
    same = await control.post(path, json=body, headers=known)
    assert (same.status_code, same.content) == (304, b"")
    await put(control, body={})
    assert (await control.post(path, json=body, headers=known)).json()["flags"][0]["variant"] == "off"


@pytest.mark.parametrize(
    "body",
    [
        '{"description": "\\ud800"}',
        '{"variants": {"\\ud800": true}}',
        '{"type": "json", "variants": {"a": {"b": "\\ud800"}}, "default": "a"}',
        '{"rules": [{"when": "a == \'\\ud800\'", "serve": "on"}]}',
        '{"type": "json", "variants": {"a": ' + "[" * 60 + "]" * 60 + '}, "default": "a"}',
    ],
)
async def test_what_could_not_be_sent_back_is_refused(control: httpx.AsyncClient, body: str) -> None:
    reply = await control.put("/v1/flags/odd", content=body)
    assert reply.status_code in (400, 422), reply.text
    assert reply.json()["faults"]
    assert (await control.get("/v1/flags")).json() == {"flags": []}


async def test_half_a_character_in_an_environment_is_refused(control: httpx.AsyncClient) -> None:
    await put(control)
    reply = await control.post("/v1/flags/beta/toggle", content='{"enabled": true, "environment": "\\ud800"}')
    assert reply.status_code == 422
    assert "ud800" in reply.text
