from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tropism.entrypoints.api.control_plane import control_plane
from tropism.entrypoints.api.routes import governance
from tropism.entrypoints.governing import Governing
from tropism.loop.gate_jobs import run_gate_job
from tropism.registry import NewDecision
from tropism.wiring import Platform

Register = Callable[..., int]
POLICY = {
    "levels": [
        {"name": "staging", "gates": [{"gate": "integration"}, {"gate": "security"}]},
        {"name": "live", "gates": [{"gate": "approval", "roles": ["risk"]}], "single": True},
    ],
    "roles": {"risk": ["bob"]},
}


@pytest.fixture
async def control(platform: Platform, register: Register) -> AsyncIterator[httpx.AsyncClient]:
    register(1)
    register(2)
    app = control_plane(platform)
    if "/v1/models/{name}/levels" not in {getattr(route, "path", "") for route in app.routes}:
        app.include_router(governance.router)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism/v1/models/payments") as client:
        yield client


@pytest.fixture
async def ruled(control: httpx.AsyncClient) -> httpx.AsyncClient:
    reply = await control.put("/levels", json={"policy": POLICY, "actor": "ann"})
    assert (reply.status_code, reply.json()["revision"]) == (200, 1)
    return control


async def post(client: httpx.AsyncClient, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    reply = await client.post(path, json=body or None)
    assert reply.status_code == status, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def gated(client: httpx.AsyncClient, platform: Platform, level: str) -> dict[str, Any]:
    """The run that a worker makes of the job that was asked for."""
    asked = await post(client, f"/versions/1/gates?level={level}&actor=ann", 202)
    job = platform.registry.jobs.claim(("gates",), "me", 1)
    assert job is not None and job.id == asked["id"]
    run_gate_job(Governing(platform).gating, job, "me", platform.real)
    found = (await client.get(f"http://tropism/v1/jobs/{asked['id']}")).json()
    assert (found["status"], found["progress"], found["request"]["actor"]) == ("done", 1.0, "ann")
    return dict(found["result"])


async def test_the_default_policy_is_shown_until_one_is_written(control: httpx.AsyncClient) -> None:
    found = (await control.get("/levels")).json()
    assert [one["name"] for one in found["policy"]["levels"]] == ["staging", "production"]
    assert found["versions"] == []


async def test_a_policy_that_nothing_could_pass_is_refused(control: httpx.AsyncClient) -> None:
    levels = [{"name": "staging", "gates": [{"gate": "metric", "metric": "accuracy", "least": 1.1}]}]
    reply = await control.put("/levels", json={"policy": {"levels": levels}})
    assert reply.status_code == 422
    assert reply.json()["faults"][0]["field"] == "levels.staging.metric.least"


async def test_a_version_is_gated_reviewed_and_moved(ruled: httpx.AsyncClient, platform: Platform) -> None:
    refused = await post(ruled, "/versions/1/level", 403, level="staging")
    assert refused["code"] == "policy-refused"
    run = await gated(ruled, platform, "staging")
    assert run["passed"], run
    assert (await ruled.get("/versions/1/gates")).json() == [run]
    moved = await post(ruled, "/versions/1/level", level="staging", expected="none", actor="ann")
    assert (moved["before"], moved["evidence"]["run"]) == ("none", run["id"])
    await post(ruled, "/versions/1/level", 409, level="live", expected="none")
    await post(ruled, "/versions/1/reviews", 422, level="live", actor="cy", role="risk")
    given = await post(ruled, "/versions/1/reviews", 201, level="live", actor="bob", role="risk", comment="fine")
    assert (await ruled.get("/versions/1/reviews")).json() == [given]
    assert (await gated(ruled, platform, "live"))["passed"]
    await post(ruled, "/versions/1/level", level="live")
    found = (await ruled.get("/versions/1/level")).json()
    assert (found["level"], [one["level"] for one in found["history"]]) == ("live", ["staging", "live"])


async def test_gates_that_were_asked_for_are_cancelled(ruled: httpx.AsyncClient, platform: Platform) -> None:
    asked = await post(ruled, "/versions/1/gates?level=staging", 202)
    job = platform.registry.jobs.claim(("gates",), "me", 1)
    assert job is not None
    await post(ruled, f"http://tropism/v1/jobs/{asked['id']}/cancel")
    run_gate_job(Governing(platform).gating, job, "me", platform.real)
    assert platform.registry.jobs.get(job.id).status == "cancelled"
    assert (await ruled.get("/versions/1/gates")).json() == []
    await post(ruled, "/versions/1/gates?level=heaven", 422)
    await post(ruled, "/versions/9/gates?level=staging", 404)


async def test_a_promotion_waits_for_the_word_of_a_role(control: httpx.AsyncClient, platform: Platform) -> None:
    policy = {"levels": [{"name": "none-yet"}], "roles": {"risk": ["bob"]}}
    policy |= {"promotion": {"gate": "approval", "roles": ["risk"]}}
    await control.put("/levels", json={"policy": policy, "actor": "ann"})
    await post(control, "/versions/2/approval", 409, actor="bob", role="risk")
    now, registry = platform.clock.now(), platform.registry
    decision = NewDecision(id="d", model="payments", kind="promote", version=2, at=now, actor="loop")
    registry.decisions.record(decision, now=now)
    registry.approvals.request("a", "payments", 2, "d", now=now)
    assert (await control.get("/approvals")).json()[0]["missing"] == "1 more person must approve, risk among them"
    refused = await post(control, "/versions/2/approval", 422, actor="cy", role="risk")
    assert refused["faults"][0]["field"] == "actor"
    await post(control, "/versions/2/level", level="none-yet")
    done = await post(control, "/versions/2/approval", actor="bob", role="risk", comment="fine")
    assert (done["promoted"]["version"], done["approval"]["status"]) == (2, "spent")
    assert (await control.get("/approvals")).json() == []


async def test_a_review_is_taken_back(ruled: httpx.AsyncClient) -> None:
    given = await post(ruled, "/versions/1/reviews", 201, level="live", actor="bob", role="risk")
    assert (await ruled.delete(f"/reviews/{given['id']}?actor=cy")).status_code == 422
    assert (await ruled.delete(f"/reviews/{given['id']}?actor=bob")).json()["closed_at"] is not None


async def test_versions_are_retired_and_deleted(control: httpx.AsyncClient, promote: Callable[..., str]) -> None:
    promote(2)
    await post(control, "/versions/2/retire", 409)
    assert (await post(control, "/versions/1/retire", reason="old", actor="ann"))["level"] == "retired"
    assert (await control.delete("/versions/2?reason=space")).status_code == 409
    assert (await control.delete("/versions/1")).status_code == 422
    left = (await control.delete("/versions/1?reason=space&actor=ann")).json()
    assert (left["version"], left["actor"], left["reason"]) == (1, "ann", "space")
    assert (await control.get("/alias-history?alias=champion")).json()[0]["version"] == 2


async def test_a_card_comes_in_three_forms(control: httpx.AsyncClient) -> None:
    assert (await control.get("/versions/1/card")).json()["learner"] == "linear"
    written = await control.get("/versions/1/card?format=markdown")
    assert written.headers["content-type"].startswith("text/markdown")
    assert written.text.startswith("# Model card: payments, version 1")
    shown = await control.get("/versions/1/card?format=html")
    assert shown.text.startswith("<!doctype html>")
    assert (await control.get("/versions/9/card")).status_code == 404


async def test_two_versions_are_set_against_each_other(control: httpx.AsyncClient) -> None:
    found = (await control.get("/versions/1/against/2")).json()
    assert (found["a"], found["b"], found["choice"]) == (1, 2, "wait")
