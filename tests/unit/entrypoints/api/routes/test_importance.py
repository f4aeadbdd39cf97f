from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import pytest

from tropism.core.task import Feature
from tropism.entrypoints.api.control_plane import control_plane
from tropism.entrypoints.permuted import Importances
from tropism.wiring import Platform

Register = Callable[..., int]
Live = Callable[..., list[str]]
PATH = "/api/v1/ml/features/{}/importance"


@pytest.fixture
async def control(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(control_plane(platform), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        yield client


@pytest.fixture
def champion(register: Register, promote: Callable[..., str], live: Live) -> None:
    live(80)
    register(1)
    register(2)
    promote(2)


async def test_the_reply_has_the_figures_of_the_feature(
    control: httpx.AsyncClient, platform: Platform, champion: None
) -> None:
    reply = await control.post(PATH.format("amount"), json={"task": "payments", "version": 1, "rows": 60})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    expected = Importances(platform).measure("payments", 1, 60)
    one = expected.of("amount")
    assert found == {
        "feature": "amount",
        "group": ["amount"],
        "task": "payments",
        "version": 1,
        "metric": "brier",
        "loss": expected.loss,
        "baseline": expected.baseline,
        "baseline_loss": expected.baseline_loss,
        "importance": one.importance,
        "lower": one.lower,
        "upper": one.upper,
        "rank": one.rank,
        "rows": 60,
        "in_sample": True,
        "note": one.note,
    }
    assert found["lower"] <= found["importance"] <= found["upper"]


@pytest.mark.parametrize("body", [None, {}, {"task": None, "version": None, "grouped": True}])
async def test_without_a_body_it_is_the_champion_of_the_only_task(
    control: httpx.AsyncClient, champion: None, body: Any
) -> None:
    found = (await control.post(PATH.format("hour"), json=body)).json()
    assert (found["task"], found["version"], found["rows"]) == ("payments", 2, 80)
    assert found["importance"] == 0
    assert found["note"]


async def test_a_dot_and_a_slash_may_be_in_a_name(control: httpx.AsyncClient, platform: Platform) -> None:
    task = platform.registry.tasks.get("payments")
    features = (Feature("spend.count_7d"), Feature("in/out"))
    other = msgspec.structs.replace(task, name="refunds", features=features)
    platform.registry.tasks.apply(other, platform.clock.now())
    for name in ("spend.count_7d", "in/out", "in%2Fout"):
        reply = await control.post(PATH.format(name))
        assert (reply.status_code, reply.json()["detail"]) == (422, "'refunds' has no champion")


@pytest.mark.parametrize(
    ("feature", "body", "status", "code", "fix"),
    [
        ("nix", None, 404, "not-found", "use one of: amount, country, hour, new_device"),
        ("nix", {"task": "payments"}, 404, "not-found", "use one of: amount, country, hour, new_device"),
        ("amount", {"task": "nix"}, 404, "unknown-task", "use one of: payments"),
        ("amount", {"version": 9}, 404, "unknown-version", "use one of 1 to 2"),
    ],
)
async def test_what_there_is_not_is_named(
    control: httpx.AsyncClient, champion: None, feature: str, body: Any, status: int, code: str, fix: str
) -> None:
    reply = await control.post(PATH.format(feature), json=body)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert fix in reply.json()["faults"][0]["fix"]


async def test_others_are_answered_while_one_is_measured(
    control: httpx.AsyncClient, champion: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, answered, measure = threading.Event(), threading.Event(), Importances.measure

    def slow(*given: Any, **named: Any) -> Any:
        begun.set()
        assert answered.wait(20)
        return measure(*given, **named)

    monkeypatch.setattr(Importances, "measure", slow)
    asked = asyncio.create_task(control.post(PATH.format("amount")))
    assert await asyncio.to_thread(begun.wait, 20)
    assert (await control.get("/v1/tasks")).status_code == 200
    answered.set()
    assert (await asked).status_code == 200


async def test_too_few_matured_rows_say_what_to_wait_for(control: httpx.AsyncClient, register: Register) -> None:
    register(1)
    reply = await control.post(PATH.format("amount"), json={"version": 1})
    assert (reply.status_code, reply.json()["code"]) == (409, "conflict")
    assert reply.json()["faults"][0]["field"] == "rows"
    assert "wait for 30" in reply.json()["faults"][0]["fix"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rows": 29}, "body.rows"),
        ({"rows": 50_001}, "body.rows"),
        ({"version": 0}, "body.version"),
        ({"grouped": "perhaps"}, "body.grouped"),
        ({"permutations": 5}, "body.permutations"),
        ([1], "body"),
    ],
)
async def test_a_body_that_does_not_fit_names_the_field(control: httpx.AsyncClient, body: Any, field: str) -> None:
    reply = await control.post(PATH.format("amount"), json=body)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input")
    assert [fault["field"] for fault in reply.json()["faults"]] == [field]
