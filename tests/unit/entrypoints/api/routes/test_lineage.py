from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

import httpx
import pytest

from tropism.core.task import Task
from tropism.entrypoints.api.control_plane import control_plane
from tropism.registry.lineage import link_training
from tropism.wiring import Platform

BASE = "/api/v1/ml/lineage"
SOURCE = "sql:postgresql://ann:***@db/shop SELECT a FROM b WHERE c = '%?#/'"


@pytest.fixture
async def control(platform: Platform, payments: Task, register: Callable[..., int]) -> AsyncIterator[httpx.AsyncClient]:
    """A control plane over a project with a version whose training was linked, and a source of an odd name."""
    data = {"lake": {"predictions": {}, "outcomes": {}}, "sha256": "1" * 64}
    link_training(platform.registry, payments, register(1), data, platform.clock.now())
    platform.registry.features.link("source", SOURCE, "view", "spend@1", 1)
    transport = httpx.ASGITransport(control_plane(platform), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        yield client


async def test_lineage_both_ways_or_one(control: httpx.AsyncClient, live: Callable[..., list[str]]) -> None:
    (made,) = live(1, version=1)
    both = (await control.get(f"{BASE}/model/payments/1")).json()
    assert (both["kind"], both["id"]) == ("model", "payments/1")
    assert {node["kind"] for node in both["nodes"]} == {"model", "training-set", "lake", "predictions"}
    assert {edge["to_kind"] for edge in both["edges"]} == {"training-set", "model", "predictions"}
    up = (await control.get(f"{BASE}/prediction/{made}", params={"direction": "up"})).json()
    assert {node["kind"] for node in up["nodes"]} == {"prediction", "model", "training-set", "lake"}
    down = (await control.get(f"{BASE}/model/payments", params={"direction": "down"})).json()
    assert {node["kind"] for node in down["nodes"]} == {"model", "predictions"}


async def test_lineage_as_open_lineage(control: httpx.AsyncClient) -> None:
    reply = await control.get(f"{BASE}/model/payments/1", params={"format": "openlineage", "namespace": "here"})
    assert [event["job"] | {"facets": 0} for event in reply.json()] == [
        {"namespace": "here", "name": "training-set/payments", "facets": 0},
        {"namespace": "here", "name": "training/payments", "facets": 0},
    ]


async def test_an_id_of_any_signs_is_found(control: httpx.AsyncClient) -> None:
    reply = await control.get(f"{BASE}/source/{quote(SOURCE, safe='')}")
    assert reply.status_code == 200, reply.text
    assert reply.json()["id"] == SOURCE
    assert [edge["to_id"] for edge in reply.json()["edges"]] == ["spend@1"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/cake/x", 422, "'training-set'"),
        ("/model/nix", 404, "use one of: payments"),
        ("/model/payments/9", 404, "it has version 1 only"),
        ("/model/payments/x", 422, "fraud/3"),
        ("/lake/nix", 404, "payments/outcomes"),
        ("/prediction/42", 422, "prediction_id of a reply"),
        ("/model/payments/1?direction=left", 422, "'both'"),
        ("/model/payments/1?format=xml", 422, "'openlineage'"),
    ],
)
async def test_refusals_say_what_there_is(control: httpx.AsyncClient, path: str, status: int, words: str) -> None:
    reply = await control.get(BASE + path)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert any(words in fault["fix"] for fault in reply.json()["faults"]), reply.text
