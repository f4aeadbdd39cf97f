from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tropism.entrypoints.api.control_plane import control_plane
from tropism.wiring import Platform

CANARY: dict[str, Any] = {
    "task": "payments",
    "mode": "canary",
    "variants": [{"name": "now"}, {"name": "new", "version": 2}],
    "ramp": {"steps": [0.5, 1.0], "hold": "1h"},
}
PATH = "/v1/experiments/trees"


@pytest.fixture
async def control(
    platform: Platform, register: Callable[..., int], promote: Callable[..., str]
) -> AsyncIterator[httpx.AsyncClient]:
    """A control plane over a task with two versions, of which the first is the champion."""
    register(1)
    register(2)
    promote(1)
    transport = httpx.ASGITransport(control_plane(platform), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        yield client


async def test_an_experiment_is_declared_started_and_stopped(control: httpx.AsyncClient, platform: Platform) -> None:
    declared = await control.put(PATH, json=CANARY, params={"actor": "ann"})
    assert declared.status_code == 200, declared.text
    assert (declared.json()["status"], declared.json()["spec"]["name"]) == ("draft", "trees")
    assert (await control.put(PATH, json=declared.json()["spec"])).json() == declared.json()
    started = (await control.post(f"{PATH}/start", json={"actor": "bob"})).json()
    assert (started["status"], started["share"], started["versions"]) == ("running", 0.5, {"now": 1, "new": 2})
    assert (await control.post(f"{PATH}/start")).json() == started
    assert (await control.get(PATH)).json() == {**started, "units": {"now": 0, "new": 0}}
    stopped = (await control.post(f"{PATH}/stop", json={"reason": "cancelled", "actor": "cyd"})).json()
    assert (stopped["status"], stopped["ending"], stopped["reason"]) == ("ended", "stopped", "cancelled")
    assert (await control.post(f"{PATH}/stop")).json() == stopped
    audited = [(one.actor, one.action) for one in platform.registry.audit.list(3)]
    assert audited == [
        ("cyd", "experiment.ended"),
        ("bob", "experiment.started"),
        ("ann", "experiment.declared"),
    ]


async def test_experiments_are_listed_by_task_and_status(control: httpx.AsyncClient) -> None:
    for name in ("a", "b"):
        await control.put(f"/v1/experiments/{name}", json=CANARY)
    await control.post("/v1/experiments/a/start")

    async def names(**query: str) -> list[str]:
        return sorted(one["name"] for one in (await control.get("/v1/experiments", params=query)).json())

    assert await names() == await names(task="payments") == ["a", "b"]
    assert (await names(status="running"), await names(status="draft"), await names(status="ended")) == (
        ["a"],
        ["b"],
        [],
    )
    unknown = await control.get("/v1/experiments?task=payment")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-task")
    assert (await control.get("/v1/experiments?status=over")).json()["faults"][0]["field"] == "query.status"


async def test_a_unit_is_told_its_variant_and_why(control: httpx.AsyncClient) -> None:
    await control.put(PATH, json={**CANARY, "targeting": "country == 'DE'"})
    await control.post(f"{PATH}/start")
    inside = {"unit": "card-7", "attributes": {"country": "DE"}}
    found = (await control.post(f"{PATH}/assign", json=inside)).json()
    assert found == (await control.post(f"{PATH}/assign", json=inside)).json()
    assert (found["variant"], found["version"]) in (("now", 1), ("new", 2))
    assert (found["why"], found["status"], found["share"]) == ("experiment", "running", 0.5)
    outside = (await control.post(f"{PATH}/assign", json={"unit": "card-7"})).json()
    assert (outside["variant"], outside["version"], outside["why"]) == (None, None, "targeting")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.unit"),
        ({"unit": ""}, "body.unit"),
        ({"unit": 7}, "body.unit"),
        ({"unit": "a", "attributes": []}, "body.attributes"),
        ({"unit": "a", "with": {}}, "body.with"),
        ([], "body"),
    ],
)
async def test_a_unit_that_is_missing_is_named(control: httpx.AsyncClient, body: Any, field: str) -> None:
    await control.put(PATH, json=CANARY)
    reply = await control.post(f"{PATH}/assign", json=body)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input")
    assert [fault["field"] for fault in reply.json()["faults"]] == [field]


@pytest.mark.parametrize(
    ("change", "field", "value", "fix"),
    [
        ({"name": "other"}, "body.name", '"other"', 'write "trees"'),
        ({"mode": "canry"}, "mode", '"canry"', "shadow"),
        ({"holdut": 0.1}, "holdut", "0.1", "did you mean 'holdout'?"),
        (
            {"variants": [{"name": "now"}, {"name": "new", "version": "2"}]},
            "variants[1].version",
            '"2"',
            "whole number",
        ),
        ({"variants": [{"name": "now"}]}, "variants", "now", "at least one treatment"),
        ({"ramp": {"steps": [0.5, 0.1]}}, "ramp.steps", "[0.5, 0.1]", "larger"),
        ({"ramp": {"steps": [0.5], "hold": "9" * 400 + "d"}}, "", "", ""),
        ({"targeting": "country = 1"}, "targeting", '"country = 1"', "write == to compare"),
        ({"metrics": []}, "metrics", "none", "exactly one metric"),
        ({"description": "\ud800"}, "experiment", "", "Unicode"),
        ({"name": "\ud800"}, "experiment", "", "Unicode"),
        ({"variants": [{"name": "a", "weight": float("inf")}]}, "variants[0].weight", "inf", "use a number"),
    ],
)
async def test_a_spec_that_cannot_be_run_names_field_value_and_fix(
    control: httpx.AsyncClient, change: dict[str, Any], field: str, value: str, fix: str
) -> None:
    reply = await control.put(PATH, content=json.dumps({**CANARY, **change}))
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input")
    (fault,) = reply.json()["faults"]
    assert fault["field"].startswith(field)
    assert fault["value"].startswith(value)
    assert fix in fault["fix"]
    assert (await control.get("/v1/experiments")).json() == []


async def test_what_does_not_go_together_is_refused(control: httpx.AsyncClient) -> None:
    async def refused(method: str, path: str, body: Any = None) -> tuple[int, str]:
        reply = await control.request(method, path, json=body)
        assert all(fault["field"] and fault["fix"] for fault in reply.json()["faults"])
        return reply.status_code, reply.json()["code"]

    assert await refused("PUT", PATH, {**CANARY, "task": "payment"}) == (404, "unknown-task")
    assert await refused("PUT", PATH, [CANARY]) == (422, "invalid-input")
    for path in ("", "/start", "/stop", "/assign"):
        body = {"unit": "a"} if path == "/assign" else None
        assert await refused("POST" if path else "GET", PATH + path, body) == (404, "not-found")
    await control.put(PATH, json=CANARY)
    assert await refused("POST", f"{PATH}/stop") == (409, "conflict")
    await control.put(PATH, json={**CANARY, "variants": [{"name": "now"}, {"name": "new", "version": 99}]})
    assert await refused("POST", f"{PATH}/start") == (404, "unknown-version")
    await control.put(PATH, json=CANARY)
    await control.post(f"{PATH}/start")
    assert await refused("PUT", PATH, {**CANARY, "holdout": 0.5}) == (409, "conflict")


async def test_no_body_is_a_failure_of_ours(control: httpx.AsyncClient) -> None:
    await control.put(PATH, json={**CANARY, "targeting": "amount > 10 or country in ('DE', 'NL')"})
    await control.post(f"{PATH}/start")
    odd = ["\ud800", 10**300, -1.5, None, True, [], {}, float("nan"), {"a": [{}]}, "", "x" * 100_000]
    for path, field in (("assign", "unit"), ("assign", "attributes"), ("stop", "reason"), ("stop", "actor")):
        for value in odd:
            body = {"unit": "card-7"} if path == "assign" else {}
            reply = await control.post(f"{PATH}/{path}", content=json.dumps({**body, field: value}))
            assert reply.status_code < 500, (path, field, value)
    for field in CANARY:
        for value in odd:
            reply = await control.put("/v1/experiments/odd", content=json.dumps({**CANARY, field: value}))
            assert reply.status_code < 500, (field, value)
    for value in odd:
        content = json.dumps({"unit": "card-7", "attributes": {"amount": value, "country": value}})
        assert (await control.post(f"{PATH}/assign", content=content)).status_code == 200
