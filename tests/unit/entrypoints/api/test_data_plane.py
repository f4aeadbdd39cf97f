from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tropism.core.identity import Identifiers, task_tag

PREDICT = "/v1/tasks/price/predict"
ROW = {"features": {"demand": 1}}


def problem_of(response: httpx.Response, status: int, code: str) -> Any:
    content = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, content["status"], content["code"]) == (status, status, code)
    assert set(content) == {"type", "title", "status", "detail", "code", "faults"}
    assert all(set(fault) == {"field", "value", "fix"} and fault["fix"] for fault in content["faults"])
    assert "Traceback" not in response.text
    return content


async def test_a_prediction_and_its_outcome(http: httpx.AsyncClient, plane: Any) -> None:
    made = await http.post(PREDICT, json=ROW)
    assert made.status_code == 200
    assert made.headers["content-type"] == "application/json"
    assert made.json()["version"] == 4
    told = await http.post("/v1/outcomes", json={"prediction_id": made.json()["prediction_id"], "outcome": True})
    assert told.status_code == 202
    assert told.json()["accepted"] == 1
    assert plane.recorded() == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed-body"),
        (b"{", 400, "malformed-body"),
        (b"demand=1", 400, "malformed-body"),
        (b'{"features": {"demand": NaN}}', 400, "malformed-body"),
        (b"[" * 9_000, 400, "malformed-body"),
        (b"\xff\xfe", 400, "malformed-body"),
        (b"[]", 422, "invalid-input"),
        (b"{}", 422, "invalid-input"),
        (b'{"features": {}}', 422, "missing-feature"),
        (b'{"features": {"demand": 1, "x": 1}}', 422, "unknown-feature"),
        (b'{"features": {"demand": "1"}}', 422, "invalid-input"),
        (b'{"features": {"demand": true}}', 422, "invalid-input"),
        (b'{"features": {"demand": 1e301}}', 422, "invalid-input"),
        (json.dumps({"instances": [ROW] * 21}).encode(), 413, "too-large"),
        (b"x" * 10_001, 413, "too-large"),
    ],
)
async def test_bad_bodies_are_the_callers_fault(
    http: httpx.AsyncClient, plane: Any, body: bytes, status: int, code: str
) -> None:
    content = problem_of(await http.post(PREDICT, content=body), status, code)
    assert content["detail"]
    assert content["faults"]
    assert plane.recorded() == 0
    assert f'tropism_errors_total{{code="{code}"}} 1' in (await http.get("/metrics")).text


async def test_an_unknown_task_lists_the_tasks(http: httpx.AsyncClient) -> None:
    content = problem_of(await http.post("/v1/tasks/prise/predict", json=ROW), 404, "unknown-task")
    assert "price" in content["faults"][0]["fix"]


async def test_an_outcome_for_another_task_is_refused(http: httpx.AsyncClient, plane: Any) -> None:
    alien = Identifiers().new(plane.clock.now(), task_tag("other"))
    response = await http.post("/v1/outcomes", json={"task": "price", "prediction_id": alien, "outcome": True})
    content = problem_of(response, 422, "invalid-outcome")
    assert "another task" in content["detail"]


async def test_the_content_type_does_not_matter_if_the_body_is_json(http: httpx.AsyncClient) -> None:
    response = await http.post(PREDICT, content=json.dumps(ROW), headers={"content-type": "text/plain"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", PREDICT, "POST"),
        ("DELETE", "/v1/outcomes", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("PUT", "/metrics", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_names_the_right_ones(http: httpx.AsyncClient, method: str, path: str, allow: str) -> None:
    response = await http.request(method, path)
    problem_of(response, 405, "input-error")
    assert response.headers["allow"] == allow


async def test_a_full_disk_is_said_and_nothing_acknowledged(full_plane: Any) -> None:
    transport = httpx.ASGITransport(full_plane.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        problem_of(await client.post(PREDICT, json=ROW), 507, "disk-full")
        problem_of(
            await client.post("/v1/outcomes", json={"task": "price", "entity": "e", "at": 1, "outcome": True}),
            507,
            "disk-full",
        )
        assert (await client.get("/readyz")).json()["journal"] != "ok"
        assert "tropism_journal_failing 1" in (await client.get("/metrics")).text
    assert full_plane.recorded() == 0


async def test_a_failure_of_ours_tells_nothing_of_how(http: httpx.AsyncClient, plane: Any) -> None:
    plane.journal.append = None  # a bug
    response = await http.post(PREDICT, json=ROW)
    problem_of(response, 500, "internal")
    assert "NoneType" not in response.text


async def test_a_model_that_raises_is_answered_for_by_the_baseline(http: httpx.AsyncClient, plane: Any) -> None:
    def fail() -> None:
        raise RuntimeError("no")

    plane.serve(type(plane.holder.current.deployments["price"].served.model)(fail))
    reply = (await http.post(PREDICT, json=ROW)).json()
    assert (reply["variant"], reply["degraded"]) == ("baseline", ["champion-failed"])


async def test_more_requests_than_are_taken_are_told_to_come_back(plane: Any) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    def slow(seq: int) -> asyncio.Future[Any]:
        started.set()
        return asyncio.ensure_future(release.wait())

    plane.journal.flushing = slow
    async with httpx.AsyncClient(transport=httpx.ASGITransport(plane.app()), base_url="http://tropism") as client:
        waiting = [asyncio.create_task(client.post(PREDICT, json=ROW)) for _ in range(3)]
        while plane.recorded() < 3:
            await asyncio.wait_for(started.wait(), 10)
            await asyncio.sleep(0)
        response = await client.post(PREDICT, json=ROW)
        problem_of(response, 503, "overloaded")
        assert response.headers["retry-after"] == "1"
        assert (await client.get("/healthz")).status_code == 200
        release.set()
        assert [one.status_code for one in await asyncio.gather(*waiting)] == [200, 200, 200]
        assert (await client.post(PREDICT, json=ROW)).status_code == 200


async def test_readiness_follows_the_snapshot(http: httpx.AsyncClient, plane: Any) -> None:
    assert (await http.get("/readyz")).json() == {
        "ready": True,
        "generation": 9,
        "models": {"price": {"version": 4, "previous": None, "degraded": []}},
        "problem": "",
        "journal": "ok",
    }
    plane.serve(None, ("champion-unavailable",))
    plane.holder.problem = "a model could not be loaded"
    content = (await http.get("/readyz")).json()
    assert content["models"]["price"] == {
        "version": 0,
        "previous": None,
        "degraded": ["champion-unavailable", "no-model"],
    }
    assert content["problem"] == "a model could not be loaded"
    plane.holder.current = None
    response = await http.get("/readyz")
    problem_of(response, 503, "not-ready")
    assert response.headers["retry-after"]
    assert (await http.get("/healthz")).json() == {"status": "ok"}


async def test_what_is_served_is_counted(http: httpx.AsyncClient) -> None:
    await http.post(PREDICT, json={"instances": [ROW, ROW, {"features": {"demand": None}}]})
    text = (await http.get("/metrics")).text
    for line in (
        'ml_model_predictions_total{model="price",version="4",variant="champion"} 3',
        'ml_prediction_latency_seconds_count{model="price"} 1',
        'ml_feature_warnings_total{model="price",feature="demand",kind="missing-value"} 1',
        'tropism_journal_sequence{writer="w0"} 1',
        "tropism_snapshot_generation 9",
        "tropism_requests_in_flight 1",
    ):
        assert line in text.splitlines()


async def test_every_other_path_is_the_control_planes(http: httpx.AsyncClient, plane: Any) -> None:
    def control(request: httpx.Request) -> httpx.Response:
        seen = [request.method, str(request.url), request.headers["x-key"], request.content.decode()]
        stream = httpx.ByteStream(json.dumps(seen).encode())
        return httpx.Response(418, stream=stream, headers={"x-answer": "yes", "connection": "close"})

    plane.control = control
    response = await http.post("/v1/models%2Fa?x=1&y=%20", content=b"abc", headers={"x-key": "k"})
    assert response.status_code == 418
    assert response.json() == ["POST", "http://127.0.0.1:8701/v1/models%2Fa?x=1&y=%20", "k", "abc"]
    assert response.headers["x-answer"] == "yes"
    assert "connection" not in response.headers


async def test_without_the_control_plane_predictions_go_on(http: httpx.AsyncClient, plane: Any) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    plane.control = away
    response = await http.get("/v1/models")
    content = problem_of(response, 503, "not-ready")
    assert "the control plane is away" in content["detail"]
    assert response.headers["retry-after"] == "1"
    assert (await http.post(PREDICT, json=ROW)).status_code == 200
