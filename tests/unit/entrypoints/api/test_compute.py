"""Features of many entities over HTTP, through the data plane's application over a real project."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.entrypoints.shop import DEFINED, open_shop

from tropism.core.errors import NotReady
from tropism.features.online.sqlite import SQLiteOnlineStore
from tropism.wiring import Platform, apply_project

COMPUTE = "/api/v1/ml/features/compute"
ASKED = {"features": ["spend", "ratio", "profile.limit"], "rows": [{"account_id": "a-1", "amount": 6}]}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Platform]:
    made = open_shop(tmp_path / "shop")
    yield made
    made.features.online.close()
    made.features.windows.close()
    made.database.dispose()


@pytest.fixture
async def data(plane: Any, shop: Platform) -> AsyncIterator[httpx.AsyncClient]:
    """A data plane whose snapshot was loaded from the project."""
    serve(plane, shop)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(plane.app()), base_url="http://tropism") as client:
        yield client


def serve(plane: Any, shop: Platform) -> None:
    plane.clock = shop.clock
    plane.holder.current = shop.snapshot_loader()()


async def test_what_was_pushed_and_filled_is_read_in_one_round_trip(data: httpx.AsyncClient) -> None:
    reply = await data.post(COMPUTE, json=ASKED)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json()["rows"][0]["values"] == {
        "spend.sum_amount_7d": "35.50",
        "spend.count_7d": 3,
        "ratio": 2.0,
        "profile.limit": "100.00",
    }


async def test_definitions_are_those_of_the_snapshot_whatever_is_applied(
    data: httpx.AsyncClient, plane: Any, shop: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop.project / "project.py").write_text(DEFINED.replace('agg.count("7d")]', 'agg.count("7d"), agg.count("1d")]'))
    apply_project(shop.settings)
    new = {"features": ["spend.count_1d"], "rows": [{"account_id": "a-1"}]}
    assert (await data.post(COMPUTE, json=new)).json()["code"] == "unknown-feature"
    assert "spend@1" in (await data.post(COMPUTE, json=ASKED)).json()["rows"][0]["known"]
    serve(plane, shop)
    monkeypatch.setattr(type(shop.registry.features), "generation", None)  # no request asks the registry
    assert (await data.post(COMPUTE, json=new)).status_code == 200
    assert "spend@2" in (await data.post(COMPUTE, json=ASKED)).json()["rows"][0]["known"]


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"features": ["spent"], "rows": [{"account_id": "a"}]}, 422, "unknown-feature", "features"),
        ({"features": ["spend"], "rows": [{"account_id": "a"}, {}]}, 422, "invalid-input", "rows[1].account_id"),
        ({"features": ["spend"], "rows": [{"account_id": "a"}] * 21}, 413, "too-large", "rows"),
        (b"{", 400, "malformed-body", "body"),
    ],
)
async def test_what_cannot_be_used_is_the_callers_fault(
    data: httpx.AsyncClient, body: Any, status: int, code: str, field: str
) -> None:
    reply = await data.post(COMPUTE, content=body if isinstance(body, bytes) else json.dumps(body).encode())
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.json()["faults"][0]["field"] == field


async def test_a_store_that_is_away_is_503(data: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise NotReady("the store is away")

    monkeypatch.setattr(SQLiteOnlineStore, "read", away)
    reply = await data.post(COMPUTE, json=ASKED)
    assert (reply.status_code, reply.json()["code"]) == (503, "not-ready")
    assert reply.headers["retry-after"] == "1"


async def test_features_are_asked_for_by_post(data: httpx.AsyncClient) -> None:
    reply = await data.get(COMPUTE)
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9) | st.just(10**400)
)
NAMES = st.sampled_from(["account_id", "amount", "features", "rows", "at", "x"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
ROWS = st.lists(st.dictionaries(NAMES, VALUES, max_size=3) | VALUES, max_size=3)
REQUESTS = st.fixed_dictionaries(
    {"features": st.lists(st.sampled_from(["spend", "ratio", "profile.limit"]), min_size=1) | VALUES, "rows": ROWS},
    optional={"at": VALUES},
)


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=REQUESTS | VALUES)
def test_no_input_is_a_failure_of_ours(plane: Any, shop: Platform, content: Any) -> None:
    if plane.holder.current.features is None:
        serve(plane, shop)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(plane.app()), base_url="http://tropism") as client:
            return await client.post(COMPUTE, content=json.dumps(content).encode())

    reply = asyncio.run(ask())
    assert reply.status_code < 500, content
    if not reply.is_success:
        assert reply.json()["detail"]
        assert all(fault["field"] and fault["fix"] for fault in reply.json()["faults"])
