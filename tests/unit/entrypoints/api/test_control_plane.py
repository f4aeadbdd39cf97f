from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import pytest

from tropism.core.identity import Identifiers, task_tag
from tropism.core.monitoring import Rule
from tropism.entrypoints.api.control_plane import control_plane
from tropism.entrypoints.api.protocols.mlflow_scoring_description import mlflow_paths
from tropism.entrypoints.api.protocols.open_inference_description import foreign_paths
from tropism.entrypoints.api.protocols.server_sent_description import stream_paths
from tropism.entrypoints.api.routes import experiments, flags, governance, runs
from tropism.features import Entity, FeatureView, StreamSource, agg
from tropism.registry import NewJob
from tropism.wiring import Platform

JOB = "01a1fd96-3cce-735a-adfe-9af284ad6ac5"
OF_THE_DATA_PLANE = {
    "/v1/tasks/{task}/predict",
    "/v1/outcomes",
    "/v1/features/{source}/events",
    "/api/v1/ml/features/compute",
    "/healthz",
    "/readyz",
    "/metrics",
    *foreign_paths(),
    *mlflow_paths(),
    *stream_paths(),
}
READS = {
    "/v1/tasks": "/v1/tasks",
    "/v1/tasks/{task}": "/v1/tasks/payments",
    "/v1/tasks/{task}/monitoring": "/v1/tasks/payments/monitoring",
    "/api/v1/ml/monitoring/performance": "/api/v1/ml/monitoring/performance?task=payments",
    "/api/v1/ml/monitoring/estimated": "/api/v1/ml/monitoring/estimated?task=payments",
    "/api/v1/ml/monitoring/segments": "/api/v1/ml/monitoring/segments?task=payments",
    "/api/v1/ml/monitoring/quality": "/api/v1/ml/monitoring/quality?task=payments",
    "/api/v1/ml/monitoring/service": "/api/v1/ml/monitoring/service",
    "/api/v1/ml/monitoring/drift": "/api/v1/ml/monitoring/drift?task=payments",
    "/api/v1/ml/monitoring/alerts": "/api/v1/ml/monitoring/alerts?task=payments",
    "/api/v1/ml/analytics/usage": "/api/v1/ml/analytics/usage",
    "/api/v1/ml/analytics/costs": "/api/v1/ml/analytics/costs",
    "/v1/alerts": "/v1/alerts",
    "/v1/alerts/{alert}": "/v1/alerts/ALERT",
    "/v1/models/{name}/health": "/v1/models/payments/health",
    "/v1/models": "/v1/models",
    "/v1/models/{name}": "/v1/models/payments",
    "/v1/models/{name}/compare": "/v1/models/payments/compare?a=1&b=2",
    "/v1/decisions": "/v1/decisions",
    "/v1/decisions/{decision}": "/v1/decisions/DECISION",
    "/v1/jobs": "/v1/jobs",
    "/v1/jobs/{job}": f"/v1/jobs/{JOB}",
    "/api/v1/ml/lineage/{kind}/{id}": "/api/v1/ml/lineage/model/payments/1",
    "/api/v1/ml/features": "/api/v1/ml/features",
    "/api/v1/ml/features/skew": "/api/v1/ml/features/skew?task=payments",
    "/api/v1/ml/features/{id}/statistics": "/api/v1/ml/features/clicks/statistics",
    "/api/v1/ml/features/{id}": "/api/v1/ml/features/clicks",
    "/api/v1/ml/features/{id}/values": "/api/v1/ml/features/clicks.count_7d/values?user=7",
}
WRITES = {
    "/v1/tasks/{task}/cycles": "/v1/tasks/payments/cycles",
    "/v1/models/{name}/promote": "/v1/models/payments/promote",
    "/v1/models/{name}/rollback": "/v1/models/payments/rollback",
    "/v1/jobs/{job}/cancel": f"/v1/jobs/{JOB}/cancel",
    "/api/v1/ml/features/{id}/importance": "/api/v1/ml/features/amount/importance",
    "/v1/alerts/{alert}/acknowledge": "/v1/alerts/ALERT/acknowledge",
}
SILENCES = {"/v1/alerts/silences", "/v1/alerts/silences/{silence_id}"}
ELSEWHERE = SILENCES.union(
    *({route.path for route in one.router.routes} for one in (experiments, flags, governance, runs))
)
"""Paths that the tests in tests/unit/entrypoints/api/routes try."""


@pytest.fixture
async def control(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    """A control plane over a project that has a task and nothing else."""
    transport = httpx.ASGITransport(control_plane(platform), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        yield client


@pytest.fixture
def decision(
    platform: Platform,
    register: Callable[..., int],
    promote: Callable[..., str],
) -> str:
    """Two versions, of which the second is the champion, a job and a feature. The decision that promoted it."""
    clicks = StreamSource("clicks", timestamp="at", schema={"user": int})
    views = [FeatureView("clicks", entity=Entity("user", key="user"), source=clicks, fields=(agg.count("7d"),))]
    platform.registry.features.apply(views, platform.clock.now())
    register(1)
    register(2)
    promote(1, at=platform.clock.now() - 20 * 86_400_000_000)
    job = NewJob(id=JOB, task="payments", kind="cycle", request={"task": "payments", "asked": None})
    platform.registry.jobs.submit(job, now=platform.clock.now())
    return promote(2)


def problem(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = reply.json()
    assert (found["status"], found["code"]) == (status, code)
    assert found["type"].endswith(f"docs/errors.md#{code}")
    assert found["title"] and found["detail"]
    assert all(fault["field"] and fault["fix"] for fault in found["faults"])
    assert found["faults"]
    assert "Traceback" not in reply.text
    return found


async def test_every_route_is_tried_here(control: httpx.AsyncClient) -> None:
    paths = (await control.get("/openapi.json")).json()["paths"]
    here = {path: tuple(methods) for path, methods in paths.items() if path not in OF_THE_DATA_PLANE | ELSEWHERE}
    assert here == {**dict.fromkeys(READS, ("get",)), **dict.fromkeys(WRITES, ("post",))}


async def test_the_description_covers_both_planes_and_every_refusal(control: httpx.AsyncClient) -> None:
    document = (await control.get("/openapi.json")).json()
    assert document["paths"].keys() >= OF_THE_DATA_PLANE
    assert "Problem" in document["components"]["schemas"]
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    assert all("422" not in one["responses"] for one in operations)
    named = [one["operationId"] for one in operations if "operationId" in one]
    assert len(set(named)) == len(named)
    assert all(one.get("summary") for one in operations)
    predict = document["paths"]["/v1/tasks/{task}/predict"]["post"]
    assert "application/problem+json" in predict["responses"]["default"]["content"]
    refusal = document["paths"]["/v1/models/{name}/promote"]["post"]["responses"]["default"]
    assert "application/problem+json" in refusal["content"]
    assert "application/problem+json" in document["paths"]["/v1/tasks"]["get"]["responses"]["default"]["content"]


@pytest.mark.parametrize("path", READS.values(), ids=READS.keys())
async def test_everything_can_be_read(control: httpx.AsyncClient, platform: Platform, decision: str, path: str) -> None:
    rule, now = Rule("slow", "latency_p95 > 1s"), platform.clock.now()
    alert = platform.alerts.apply("payments", (rule,), {"latency_p95": 2.0}, now).fired[0].id
    reply = await control.get(path.replace("DECISION", decision).replace("ALERT", alert))
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() or path.endswith("/statistics"), "nobody was served the feature yet"


async def test_an_empty_project_reads_as_empty(control: httpx.AsyncClient) -> None:
    for path in ("/v1/decisions", "/v1/jobs"):
        assert (await control.get(path)).json() == []
    assert (await control.get("/v1/models")).json() == [
        {"name": "payments", "versions": 0, "champion": None, "previous": None}
    ]
    assert (await control.get("/v1/models/payments")).json() == {"name": "payments", "aliases": {}, "versions": []}


async def test_a_task_says_how_it_stands(
    control: httpx.AsyncClient, decision: str, live: Callable[..., list[str]]
) -> None:
    live(60, version=1)
    found = (await control.get("/v1/tasks/payments")).json()
    assert found["task"]["name"] == "payments"
    assert (found["champion"], found["previous"], found["versions"]) == (2, 1, 2)
    assert found["outcomes"]["predictions"] == 60
    assert found["watermark"].endswith("Z")


async def test_a_model_and_its_versions(control: httpx.AsyncClient, decision: str) -> None:
    assert (await control.get("/v1/models")).json()[0] == {
        "name": "payments",
        "versions": 2,
        "champion": 2,
        "previous": 1,
    }
    found = (await control.get("/v1/models/payments")).json()
    assert found["aliases"] == {"champion": 2, "previous": 1}
    assert [one["version"] for one in found["versions"]] == [1, 2]
    version = (await control.get("/v1/models/payments/versions/2")).json()
    assert (version["learner"], version["state"]) == ("linear", "promoted")
    compared = (await control.get("/v1/models/payments/compare?a=1&b=2")).json()
    assert [one["field"] for one in compared["metrics"]] == ["loss"]


async def test_decisions_are_filtered_and_limited(control: httpx.AsyncClient, decision: str) -> None:
    newest = (await control.get("/v1/decisions?limit=1")).json()
    assert [one["id"] for one in newest] == [decision]
    assert len((await control.get("/v1/decisions?kind=promote&model=payments")).json()) == 2
    assert (await control.get("/v1/decisions?kind=rollback")).json() == []


async def test_a_decision_is_recomputed_on_demand(control: httpx.AsyncClient, decision: str) -> None:
    assert "recomputed" not in (await control.get(f"/v1/decisions/{decision}")).json()
    found = (await control.get(f"/v1/decisions/{decision}?recompute=true")).json()
    assert found["recomputed"]["agrees"] is None


async def test_a_cycle_is_asked_for_once_with_an_id_of_ones_own(control: httpx.AsyncClient, platform: Platform) -> None:
    key = Identifiers().new(platform.clock.now(), task_tag("payments"))
    for _ in range(2):
        reply = await control.post("/v1/tasks/payments/cycles", json={"id": key, "train": True, "actor": "ann"})
        assert (reply.status_code, reply.json()) == (202, {"id": key, "status": "queued"})
    (job,) = platform.registry.jobs.list()
    assert job.request == {"task": "payments", "asked": "ann"}
    assert (await control.get("/v1/jobs?task=payments")).json()[0]["id"] == key


async def test_a_cycle_without_a_body_is_a_look(control: httpx.AsyncClient, platform: Platform) -> None:
    reply = await control.post("/v1/tasks/payments/cycles")
    assert reply.status_code == 202
    assert platform.registry.jobs.get(reply.json()["id"]).request == {"task": "payments", "asked": None}


async def test_a_job_is_waited_for_and_cancelled(control: httpx.AsyncClient, decision: str) -> None:
    waited = (await control.get(f"/v1/jobs/{JOB}?wait=0.1")).json()
    assert (waited["status"], waited["task"]) == ("queued", "payments")
    assert waited["generation"] > 0
    assert (await control.post(f"/v1/jobs/{JOB}/cancel")).json()["status"] == "cancelled"
    assert (await control.get(f"/v1/jobs/{JOB}?wait=20")).json()["status"] == "cancelled"


async def test_promotion_and_rollback(control: httpx.AsyncClient, decision: str, platform: Platform) -> None:
    moved = (await control.post("/v1/models/payments/rollback", json={"actor": "ann"})).json()
    assert (moved["version"], moved["previous"]) == (1, 2)
    moved = (await control.post("/v1/models/payments/promote", json={"version": 2, "expected": 1})).json()
    assert (moved["version"], moved["previous"]) == (2, 1)
    assert (await control.post("/v1/models/payments/rollback")).json()["version"] == 1
    actors = [one.actor for one in platform.registry.decisions.list("payments")]
    assert actors[:3] == ["http", "http", "ann"]


async def test_a_champion_that_moved_is_not_replaced(control: httpx.AsyncClient, decision: str) -> None:
    reply = await control.post("/v1/models/payments/promote", json={"version": 1, "expected": 1})
    assert "version 2 is champion now" in problem(reply, 409, "conflict")["faults"][0]["fix"]
    reply = await control.post("/v1/models/payments/promote", json={"version": 2})
    problem(reply, 409, "conflict")


async def test_a_policy_that_wants_an_approval(control: httpx.AsyncClient, decision: str, platform: Platform) -> None:
    task = platform.registry.tasks.get("payments")
    policy = msgspec.structs.replace(task.policy, approval=True)
    platform.registry.tasks.apply(msgspec.structs.replace(task, policy=policy), platform.clock.now())
    problem(await control.post("/v1/models/payments/promote", json={"version": 1}), 403, "policy-refused")
    forced = await control.post("/v1/models/payments/promote", json={"version": 1, "force": True})
    assert forced.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "code", "fix"),
    [
        ("GET", "/v1/tasks/nix", "unknown-task", "use one of: payments"),
        ("GET", "/v1/tasks/nix/monitoring", "unknown-task", "use one of: payments"),
        ("POST", "/v1/tasks/nix/cycles", "unknown-task", "use one of: payments"),
        ("GET", "/v1/models/nix", "unknown-task", "use one of: payments"),
        ("GET", "/v1/models/nix/versions/1", "unknown-model", "use one of: payments"),
        ("GET", "/v1/models/nix/compare?a=1&b=2", "unknown-model", "use one of: payments"),
        ("POST", "/v1/models/nix/promote", "unknown-task", "use one of: payments"),
        ("POST", "/v1/models/nix/rollback", "unknown-model", "use one of: payments"),
        ("GET", "/v1/models/payments/versions/9", "unknown-version", "use one of 1 to 2"),
        ("GET", "/v1/models/payments/versions/0", "unknown-version", "use one of 1 to 2"),
        ("GET", "/v1/models/payments/versions/-1", "unknown-version", "use one of 1 to 2"),
        ("GET", "/v1/models/payments/versions/99999999999999999999", "unknown-version", "use one of 1 to 2"),
        ("GET", "/v1/models/payments/compare?a=1&b=9", "unknown-version", "use one of 1 to 2"),
        ("GET", "/v1/decisions/nix", "unknown-decision", "tropism decisions"),
        ("GET", "/v1/decisions?model=nix", "unknown-task", "use one of: payments"),
        ("GET", "/v1/jobs/nix", "not-found", "the id"),
        ("POST", "/v1/jobs/nix/cancel", "not-found", "the id"),
        ("GET", "/v1/jobs?task=nix", "unknown-task", "use one of: payments"),
        ("GET", "/v1/nix", "not-found", "/openapi.json"),
        ("GET", "/", "not-found", "/openapi.json"),
        ("GET", "/v1/tasks/%F0%9F%A6%80", "unknown-task", "use one of: payments"),
    ],
)
async def test_what_there_is_not_is_named(
    control: httpx.AsyncClient, decision: str, method: str, path: str, code: str, fix: str
) -> None:
    body = {"version": 1} if path.endswith("promote") else None
    found = problem(await control.request(method, path, json=body), 404, code)
    assert fix in found["faults"][0]["fix"]


@pytest.mark.parametrize("path", [*READS.values(), *WRITES.values()])
async def test_a_wrong_method_says_which_is_right(control: httpx.AsyncClient, path: str) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - {"GET" if path in READS.values() else "POST"}:
        reply = await control.request(method, path)
        right = "GET" if path in READS.values() else "POST"
        found = problem(reply, 405, "input-error")
        assert found["faults"] == [{"field": "method", "value": method, "fix": f"use {right}"}]
        assert reply.headers["allow"] == right


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/models/payments/promote", {}, "body.version"),
        ("/v1/models/payments/promote", {"version": 0}, "body.version"),
        ("/v1/models/payments/promote", {"version": "x"}, "body.version"),
        ("/v1/models/payments/promote", {"version": 1.5}, "body.version"),
        ("/v1/models/payments/promote", {"version": None}, "body.version"),
        ("/v1/models/payments/promote", {"version": 1, "expected": "x"}, "body.expected"),
        ("/v1/models/payments/promote", {"version": 1, "actor": ""}, "body.actor"),
        ("/v1/models/payments/promote", {"version": 1, "actor": 5}, "body.actor"),
        ("/v1/models/payments/promote", {"version": 1, "forse": True}, "body.forse"),
        ("/v1/models/payments/promote", [1], "body"),
        ("/v1/models/payments/promote", 5, "body"),
        ("/v1/models/payments/rollback", {"acter": "ann"}, "body.acter"),
        ("/v1/models/payments/rollback", "ann", "body"),
        ("/v1/tasks/payments/cycles", {"trin": True}, "body.trin"),
        ("/v1/tasks/payments/cycles", {"train": "perhaps"}, "body.train"),
        ("/v1/tasks/payments/cycles", {"id": "42"}, "id"),
        ("/v1/tasks/payments/cycles", {"id": JOB.upper()}, "id"),
        ("/v1/tasks/payments/cycles", {"id": 5}, "body.id"),
    ],
)
async def test_a_body_that_does_not_fit_names_the_field(
    control: httpx.AsyncClient, platform: Platform, path: str, body: Any, field: str
) -> None:
    found = problem(await control.post(path, json=body), 422, "invalid-input")
    assert field in [fault["field"] for fault in found["faults"]]
    assert platform.registry.jobs.list() == ()


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/models/payments/versions/x", "path.version"),
        ("/v1/models/payments/compare?a=1", "query.b"),
        ("/v1/models/payments/compare?a=1&b=x", "query.b"),
        ("/v1/decisions?kind=nix", "query.kind"),
        ("/v1/decisions?limit=0", "query.limit"),
        ("/v1/decisions?limit=x", "query.limit"),
        ("/v1/decisions/x?recompute=perhaps", "query.recompute"),
        ("/v1/jobs?limit=-5", "query.limit"),
        (f"/v1/jobs/{JOB}?wait=1000", "query.wait"),
        (f"/v1/jobs/{JOB}?wait=nan", "query.wait"),
        ("/v1/tasks/payments/monitoring?bins=0", "query.bins"),
    ],
)
async def test_a_path_or_query_that_does_not_fit_names_the_field(
    control: httpx.AsyncClient, path: str, field: str
) -> None:
    found = problem(await control.get(path), 422, "invalid-input")
    assert [fault["field"] for fault in found["faults"]] == [field]


@pytest.mark.parametrize("body", [b'{"version": 1', b"version=1", b"\xff\xfe", b"{'version': 1}"])
async def test_a_body_that_is_not_json(control: httpx.AsyncClient, body: bytes) -> None:
    reply = await control.post("/v1/models/payments/promote", content=body)
    assert problem(reply, 400, "malformed-body")["faults"][0]["field"] == "body"


async def test_what_is_our_fault_says_nothing_of_how(
    control: httpx.AsyncClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(platform.registry.tasks, "all", broken)
    reply = await control.get("/v1/tasks")
    assert reply.status_code == 500
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["code"] == "internal"
    assert "secret" not in reply.text
