from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.entrypoints.shop import DEFINED, MINUTE, open_shop

from tropism.core.clock import iso
from tropism.core.errors import NotReady
from tropism.entrypoints.api.control_plane import control_plane
from tropism.features.online.sqlite import SQLiteOnlineStore
from tropism.wiring import Platform, apply_project

BASE = "/api/v1/ml/features"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Platform]:
    made = open_shop(tmp_path / "shop")
    yield made
    made.features.online.close()
    made.features.windows.close()
    made.database.dispose()


@pytest.fixture
async def control(shop: Platform) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(control_plane(shop), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        yield client


async def listed(control: httpx.AsyncClient, **query: str) -> dict[str, Any]:
    reply = await control.get(BASE, params=query)
    assert reply.status_code == 200, reply.text
    return {one["name"]: one for one in reply.json()}


async def test_every_feature_says_what_it_is_and_how_far_it_has_come(control: httpx.AsyncClient) -> None:
    found = await listed(control)
    names = ["spend.sum_amount_7d", "spend.count_7d", "profile.segment", "profile.limit", "visits.pages", "ratio"]
    assert set(found) == set(names)
    limit = found["profile.limit"]
    assert limit.pop("known") is not None
    assert 0 <= limit.pop("lag") < 600
    assert limit == {
        "name": "profile.limit",
        "type": "decimal(2)",
        "kind": "view",
        "view": "profile",
        "version": 1,
        "entity": {"name": "account", "keys": ["account_id"]},
        "source": {"kind": "parquet", "name": "profiles.parquet"},
        "ttl": "30d",
        "every": "1d",
        "owner": "ann",
        "tags": {"team": "risk"},
        "window": None,
        "description": "",
        "tasks": [],
    }
    count = found["spend.count_7d"]
    assert count["window"] == {"function": "count", "column": None, "length": "7d", "hop": "6h"}
    assert (count["type"], count["tasks"], count["every"]) == ("integer", ["fraud"], None)
    assert count["source"] == {"kind": "stream", "name": "payments"}
    assert 0 <= count["lag"] < 600
    ratio = found["ratio"]
    assert (ratio["kind"], ratio["tasks"], ratio["description"]) == ("on-demand", ["fraud"], "Per payment")
    assert ratio["entity"] is ratio["known"] is ratio["lag"] is None


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"entity": "customer"}, {"visits.pages"}),
        ({"view": "spend"}, {"spend.sum_amount_7d", "spend.count_7d"}),
        ({"tag": "team"}, {"profile.segment", "profile.limit"}),
        ({"tag": "team=risk", "entity": "account"}, {"profile.segment", "profile.limit"}),
        ({"tag": "team=shop"}, set()),
        ({"entity": "nix"}, set()),
    ],
)
async def test_the_list_is_narrowed(control: httpx.AsyncClient, query: dict[str, str], names: set[str]) -> None:
    assert set(await listed(control, **query)) == names


async def test_a_store_that_is_away_hides_how_far_views_have_come_not_the_list(
    control: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise NotReady("the store is away")

    monkeypatch.setattr(SQLiteOnlineStore, "read", away)
    found = await listed(control)
    assert found["profile.limit"]["known"] is found["profile.limit"]["lag"] is None
    assert found["spend.count_7d"]["known"] is not None


async def test_a_definition_has_its_features_versions_and_lineage(control: httpx.AsyncClient, shop: Platform) -> None:
    path = shop.project / "project.py"
    path.write_text(DEFINED.replace('agg.count("7d")]', 'agg.count("7d"), agg.count("1d")]'))
    apply_project(shop.settings)
    found = (await control.get(f"{BASE}/spend")).json()
    assert (found["kind"], found["version"], found["state"]) == ("view", 2, "live")
    assert [one["name"] for one in found["features"]] == ["spend.sum_amount_7d", "spend.count_7d", "spend.count_1d"]
    assert [(one["version"], one["state"]) for one in found["versions"]] == [(1, "old"), (2, "live")]
    assert found["lineage"]["from"][0]["from_id"] == "stream:payments"
    old = (await control.get(f"{BASE}/spend@1")).json()
    assert (old["version"], len(old["features"])) == (1, 2)
    one = (await control.get(f"{BASE}/spend.count_7d")).json()
    assert [feature["name"] for feature in one["features"]] == ["spend.count_7d"]
    assert (await control.get(f"{BASE}/ratio")).json()["kind"] == "on-demand"
    assert (await control.get(f"{BASE}/account")).json()["kind"] == "entity"


async def test_values_now_have_statuses_and_how_far_their_views_had_come(control: httpx.AsyncClient) -> None:
    reply = (await control.get(f"{BASE}/spend/values", params={"account_id": ["a-1", "zz"]})).json()
    assert (reply["id"], reply["from"]) == ("spend", "online")
    assert reply["names"] == ["spend.sum_amount_7d", "spend.count_7d"]
    first, second = reply["rows"]
    assert first["keys"] == {"account_id": "a-1"}
    assert first["values"] == {"spend.sum_amount_7d": "35.50", "spend.count_7d": 3}
    assert (first["statuses"], second["statuses"]) == ({"spend": "PRESENT"}, {"spend": "MISSING"})
    assert first["known"]["spend@1"].endswith("Z")
    assert second["values"] == {"spend.sum_amount_7d": None, "spend.count_7d": 0}


async def test_values_then_are_what_was_known_then(control: httpx.AsyncClient, shop: Platform) -> None:
    now = shop.clock.now()
    query = {"account_id": ["a-1", "zz"], "at": iso(now - 50 * MINUTE)}
    early = (await control.get(f"{BASE}/profile/values", params=query)).json()
    assert (early["from"], early["at"]) == ("history", query["at"])
    assert [row["values"] for row in early["rows"]] == [
        {"profile.segment": "gold", "profile.limit": "100.00"},
        {"profile.segment": None, "profile.limit": None},
    ]
    before = (await control.get(f"{BASE}/profile.limit/values", params=query | {"at": iso(now - 200 * MINUTE)})).json()
    assert [row["values"] for row in before["rows"]] == [{"profile.limit": None}] * 2
    # The payments were made long before, and came in only now.
    payments = (await control.get(f"{BASE}/spend/values", params=query)).json()
    assert payments["rows"][0]["values"] == {"spend.sum_amount_7d": None, "spend.count_7d": 0}
    query["at"] = iso(shop.clock.now())
    payments = (await control.get(f"{BASE}/spend/values", params=query)).json()
    assert payments["rows"][0]["values"] == {"spend.sum_amount_7d": "35.50", "spend.count_7d": 3}


async def test_an_entity_of_two_keys_is_named_by_both(control: httpx.AsyncClient) -> None:
    query = {"shop": ["s", "s"], "customer": ["7", "8"]}
    reply = (await control.get(f"{BASE}/visits/values", params=query)).json()
    assert [row["values"]["visits.pages"] for row in reply["rows"]] == [12, None]
    then = (await control.get(f"{BASE}/visits/values", params=query | {"at": "2000-01-01T00:00:00Z"})).json()
    assert [row["values"]["visits.pages"] for row in then["rows"]] == [None, None]


@pytest.mark.parametrize(
    ("path", "status", "field", "words"),
    [
        ("nix", 404, "view", "use one of: profile, spend, visits"),
        ("spend@9", 404, "version", "use one of: 1"),
        ("spend.nix", 422, "id", "spend.count_7d"),
        ("spend@x", 404, "view", "use one of"),
        ("spend/values", 422, "query.account_id", "once for each entity"),
        ("spend/values?acount_id=a", 422, "query.acount_id", "use: account_id"),
        ("spend/values?account_id=a&limit=5", 422, "query.limit", "use: account_id"),
        ("visits/values?shop=a&shop=b&customer=c", 422, "query.shop", "as many of each"),
        ("spend/values?account_id=a&at=yesterday", 422, "query.at", "ISO 8601"),
        ("spend/values?account_id=a&at=2999-01-01", 422, "query.at", "up to now"),
        ("spent/values?account_id=a", 422, "features", "did you mean 'spend'?"),
        ("ratio/values?account_id=a", 422, "id", "POST /api/v1/ml/features/compute"),
        ("spend/values?account_id=" + "x" * 600, 422, "account_id", "512 characters"),
        ("spend/values?" + "&".join(["account_id=a"] * 1_001), 413, "query.account_id", "at most 1000"),
    ],
)
async def test_refusals_name_what_to_change(
    control: httpx.AsyncClient, path: str, status: int, field: str, words: str
) -> None:
    reply = await control.get(f"{BASE}/{path}")
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["faults"][0]["field"] == field
    assert words in reply.json()["faults"][0]["fix"]
