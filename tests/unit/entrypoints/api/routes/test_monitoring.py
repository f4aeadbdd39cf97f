from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import msgspec
import pytest

from tropism.core.clock import DAY
from tropism.entrypoints.api.control_plane import control_plane
from tropism.wiring import Platform

PATH = "/api/v1/ml/monitoring"
VIEWS = ("performance", "estimated", "segments", "quality", "service", "drift")


@pytest.fixture
async def control(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(control_plane(platform), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        yield client


@pytest.fixture
def champion(
    platform: Platform,
    register: Callable[..., int],
    promote: Callable[..., str],
    live: Callable[..., list[str]],
) -> None:
    """Version 2 is champion, was asked 1,200 rows 12 days ago, and 300 without answers now."""
    live(1_000, days_ago=13)
    register(1)
    register(2)
    promote(1, at=platform.clock.now() - 13 * DAY)
    promote(2, at=platform.clock.now() - 12 * DAY - DAY // 2)
    live(1_200, version=2, days_ago=12)
    live(300, version=2, days_ago=0.1, answered=0)
    platform.watch.look(platform.registry.tasks.get("payments"), platform.clock.now())


async def test_performance_by_window_and_version_beside_the_baseline(
    control: httpx.AsyncClient, champion: None
) -> None:
    found = (await control.get(f"{PATH}/performance?task=payments&bins=3")).json()
    assert (found["metric"], found["version"], found["rows"]) == ("brier", 2, 2_200)
    assert {window["version"] for window in found["windows"]} == {None, 0, 2}
    window = found["windows"][-1]
    assert window["metrics"]["accuracy"]["low"] <= window["metrics"]["accuracy"]["value"]
    assert window["baseline"] and window["coverage"] == 1 and window["delay"] == 60
    since = (await control.get(f"{PATH}/performance?task=payments&since=12d")).json()
    assert 0 < since["rows"] <= 1_200
    assert found["decay"]["reference"] > 0


async def test_every_view_of_an_empty_task_says_what_it_waits_for(control: httpx.AsyncClient) -> None:
    for view in VIEWS:
        reply = await control.get(f"{PATH}/{view}?task=payments")
        assert reply.status_code == 200, reply.text
        assert reply.json()["waiting"]


async def test_an_unknown_task_names_the_near_one(control: httpx.AsyncClient) -> None:
    for view in VIEWS:
        reply = await control.get(f"{PATH}/{view}?task=payment")
        assert (reply.status_code, reply.json()["code"]) == (404, "unknown-task")
        assert "did you mean 'payments'" in reply.json()["faults"][0]["fix"]


@pytest.mark.parametrize("since", ["soon", "2999-01-01"])
async def test_a_since_that_is_none_names_the_field(control: httpx.AsyncClient, since: str) -> None:
    for view in [*VIEWS, "../analytics/usage", "../analytics/costs"]:
        reply = await control.get(f"{PATH}/{view}", params={"task": "payments", "since": since})
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input")
        assert [fault["field"] for fault in reply.json()["faults"]] == ["query.since"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("performance", "query.task"),
        ("performance?task=payments&bins=0", "query.bins"),
        ("segments?task=payments&top=0", "query.top"),
        ("quality?task=payments&rows=0", "query.rows"),
        ("service?bins=501", "query.bins"),
        ("drift?task=payments&method=magic", "query.method"),
        ("drift?task=payments&method=adversarial&rows=1000000", "query.rows"),
    ],
)
async def test_a_query_that_does_not_fit_names_the_field(control: httpx.AsyncClient, query: str, field: str) -> None:
    reply = await control.get(f"{PATH}/{query}")
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input")
    assert [fault["field"] for fault in reply.json()["faults"]] == [field]


async def test_estimates_segments_quality_and_service(control: httpx.AsyncClient, champion: None) -> None:
    estimated = (await control.get(f"{PATH}/estimated?task=payments")).json()
    assert estimated["version"] == 2 and (estimated["latest"] or estimated["waiting"])
    segments = (await control.get(f"{PATH}/segments?task=payments&top=2")).json()
    assert segments["rows"] == 1_200 and len(segments["worst"]["worst"]) <= 2
    quality = (await control.get(f"{PATH}/quality?task=payments&rows=100")).json()
    assert (quality["rows"], quality["found"]["score"]) == (100, 1)
    service = (await control.get(f"{PATH}/service?since=1h&bins=4")).json()
    assert len(service["series"]) == 4


async def test_all_in_one(control: httpx.AsyncClient, champion: None) -> None:
    found = (await control.get("/v1/tasks/payments/monitoring?bins=2")).json()
    assert found.keys() >= {"metric", "windows", "decay", "drift", "quality", "alerts", "baseline", "overall"}
    assert found["drift"]["version"] == 2 and found["quality"]["rows"] == 1_000
    assert found["alerts"] == []


async def test_drift_with_its_causes_and_all_features_together(control: httpx.AsyncClient, champion: None) -> None:
    found = (await control.get(f"{PATH}/drift?task=payments")).json()
    assert found["version"] == 2 and found["joint"] is None
    assert {one["kind"] for one in found["monitors"]} >= {"features"}
    assert {one["name"] for one in found["columns"]} >= {"amount", "country"}
    assert found["importance"]["source"] == "model"
    for method in ("adversarial", "reconstruction"):
        joint = (await control.get(f"{PATH}/drift?task=payments&method={method}&rows=500")).json()["joint"]
        assert joint["method"] == method and joint["found"]["rows"]


async def test_a_feature_from_a_view_is_watched_like_any(control: httpx.AsyncClient, platform: Platform) -> None:
    from tropism.core.task import Feature

    task = platform.registry.tasks.get("payments")
    features = (*task.features, Feature("spend.count_7d", view="spend@1", default=None))
    other = msgspec.structs.replace(task, name="refunds", features=features, views=("spend",), keys=("account",))
    platform.registry.tasks.apply(other, platform.clock.now())
    for view in VIEWS:
        reply = await control.get(f"{PATH}/{view}?task=refunds")
        assert reply.status_code == 200, reply.text


async def test_the_health_report_as_json_and_as_a_page(control: httpx.AsyncClient, champion: None) -> None:
    reply = await control.get("/v1/models/payments/health?days=30")
    assert reply.headers["content-type"] == "application/json"
    found = reply.json()
    assert found["facts"]["version"] == 2 and 0 <= found["score"]["value"] <= 100
    assert found["recommendation"]["reason"]
    page = await control.get("/v1/models/payments/health?format=html")
    assert page.headers["content-type"].startswith("text/html")
    assert "payments" in page.text and "<script" not in page.text


async def test_a_health_report_that_cannot_be_made(control: httpx.AsyncClient) -> None:
    assert (await control.get("/v1/models/payments/health")).json()["recommendation"]["action"] == "wait"
    assert (await control.get("/v1/models/payment/health")).status_code == 404
    for query in ("days=0", "days=366", "format=pdf"):
        assert (await control.get(f"/v1/models/payments/health?{query}")).status_code == 422


async def test_use_and_costs(control: httpx.AsyncClient) -> None:
    for path, key in (("usage", "idle_cpu_seconds"), ("costs", "currency")):
        reply = await control.get(f"/api/v1/ml/analytics/{path}?task=payments&since=7d")
        assert reply.status_code == 200, reply.text
        assert [one["task"] for one in reply.json()["tasks"]] == ["payments"]
        assert key in reply.json() and "no data plane" in reply.json()["waiting"]
        assert (await control.get(f"/api/v1/ml/analytics/{path}?task=payment")).status_code == 404
