from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from tests.unit.featurestore.watched import Watched

from tropism.entrypoints.api.control_plane import control_plane
from tropism.entrypoints.api.routes.feature_watching import router

BASE = "/api/v1/ml/features"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path / "shop")
    made.push(("a", "2.50"), ("b", "1.50"))
    for who in ("a", "b", "nobody"):
        made.predict(who)
    yield made
    made.close()


@pytest.fixture
async def control(watched: Watched) -> AsyncIterator[httpx.AsyncClient]:
    app = control_plane(watched.platform)
    app.router.routes[:0] = router.routes
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        yield client


async def test_skew_of_a_task(control: httpx.AsyncClient, watched: Watched) -> None:
    found = (await control.get(f"{BASE}/skew", params={"task": "fraud", "rows": 2})).json()
    assert (found["mismatches"], found["predictions"], found["unplayed"]) == (0, 2, [])
    watched.profiles(("a", "gold", "101.00"), ("b", "silver", "20.00"))
    found = (await control.get(f"{BASE}/skew", params={"task": "fraud"})).json()
    (limit,) = (one for one in found["features"] if one["mismatches"])
    assert limit["name"] == "profile.limit"
    assert limit["examples"][0]["replayed"] == "101.0"


async def test_statistics_of_a_view_or_a_feature(control: httpx.AsyncClient) -> None:
    (count,) = (await control.get(f"{BASE}/spend.count_7d/statistics", params={"days": 2})).json()
    assert (count["of"], count["whole"]["count"], count["days"][0]["day"]) == ("served to fraud", 3, "2024-10-04")
    both = (await control.get(f"{BASE}/spend/statistics", params={"task": "fraud"})).json()
    assert [one["feature"] for one in both] == ["spend.sum_amount_24h", "spend.count_7d"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/skew", 422, "send it"),
        ("/skew?task=nix", 404, "fraud"),
        ("/skew?task=fraud&rows=0", 422, "at least 1"),
        ("/skew?task=fraud&since=soon", 422, "such as 90s"),
        ("/nix/statistics", 422, "use one of"),
        ("/spend/statistics?days=0", 422, "at least 1"),
    ],
)
async def test_refusals_say_what_there_is(control: httpx.AsyncClient, path: str, status: int, words: str) -> None:
    reply = await control.get(BASE + path)
    assert reply.status_code == status
    assert any(words in fault["fix"] for fault in reply.json()["faults"]), reply.text
