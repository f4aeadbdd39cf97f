"""Subscribers over real sockets, who hear of predictions that others ask for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import InvalidInput
from tropism.entrypoints.api.asgi import Reply, send_reply
from tropism.entrypoints.api.bodies import read_body
from tropism.entrypoints.api.protocols.server_sent import PredictionEvents, entities_of, is_events
from tropism.entrypoints.api.protocols.subscriptions import Subscriptions
from tropism.entrypoints.api.server import bind
from tropism.serving.requests import Ask

STREAM = "/v1/tasks/price/predictions/stream"


class Plane:
    """A shop that predicts, and tells subscribers of it."""

    def __init__(self, shop: Any) -> None:
        self.shop = shop
        self.subscriptions = Subscriptions(most=3, backlog=5)
        self.events = PredictionEvents(shop.core, self.subscriptions)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.events.matches(scope["path"]):
            await self.events.serve(scope, receive, send)
            return
        body = await read_body(scope, receive, 10_000, 10.0)
        assert body is not None
        await send_reply(send, Reply(200, await self.predict(**json.loads(body))))

    async def predict(self, demand: float = 10.0, entity: str | None = None, task: str = "price") -> bytes:
        deployment = self.shop.snapshot.deployment(task)
        rows: dict[str, dict[str, Any]] = {
            "price": {"demand": demand, "zone": "south", "holiday": False},
            "amount": {"size": demand},
        }
        scored = await self.shop.core.predictions.score(deployment, [Ask(rows[task], (), entity)])
        if self.subscriptions.active:
            self.subscriptions.publish(deployment.task, scored.events, scored.notes)
        return str(scored.events[0].id).encode()


class Heard:
    """What arrives, event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def block(self) -> list[str]:
        lines: list[str] = []
        async for line in self._lines:
            if not line:
                return lines
            lines.append(line)
        return lines

    async def event(self) -> tuple[str, Any, str]:
        """Name, data and id of the next event; comments are passed over."""
        while True:
            fields = dict(line.split(": ", 1) for line in await self.block() if not line.startswith(":"))
            if "event" in fields:
                return fields["event"], json.loads(fields["data"]), fields.get("id", "")


@pytest.fixture
def plane(shop: Any) -> Plane:
    return Plane(shop)


@pytest.fixture
async def http(plane: Plane) -> AsyncIterator[httpx.AsyncClient]:
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(plane, http="httptools", ws="none", log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve([listener]))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with asyncio.timeout(60), httpx.AsyncClient(base_url=base, trust_env=False, timeout=30) as client:
        yield client
        plane.subscriptions.end()
    server.should_exit = True
    await running


@asynccontextmanager
async def subscribed(
    http: httpx.AsyncClient, *entities: str, path: str = STREAM, **headers: str
) -> AsyncIterator[Heard]:
    params = httpx.QueryParams([("entity", entity) for entity in entities])
    async with http.stream("GET", path, params=params, headers=headers) as response:
        assert response.status_code == 200
        heard = Heard(response)
        assert await heard.block() == ["retry: 1000", ": subscribed"]
        yield heard


async def test_a_subscriber_hears_of_each_prediction_as_its_caller_does(http: httpx.AsyncClient, plane: Plane) -> None:
    async with subscribed(http) as heard:
        assert heard.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert heard.response.headers["cache-control"] == "no-store"
        made = (await http.post("/predict", json={"demand": 30, "entity": "a"})).text
        name, data, identifier = await heard.event()
    assert (name, identifier, data["prediction_id"]) == ("prediction", made, made)
    assert data["probabilities"] == {"false": 0.7, "true": 0.3}
    assert (data["prediction"], data["model"], data["version"], data["variant"]) == (False, "price", 4, "champion")
    assert (data["entity"], data["at"]) == ("a", "2023-11-14T22:13:20Z")
    assert [event.id for event in plane.shop.recorded()] == [made], "it was durable before"


async def test_only_the_entities_that_were_asked_for_are_sent(http: httpx.AsyncClient) -> None:
    async with subscribed(http, "a", "é & co") as heard:
        for entity in ("b", "a", None, "é & co"):
            await http.post("/predict", json={"entity": entity})
        assert [(await heard.event())[1]["entity"] for _ in range(2)] == ["a", "é & co"]


async def test_only_the_task_that_was_asked_for_is_sent(http: httpx.AsyncClient) -> None:
    async with subscribed(http) as heard:
        await http.post("/predict", json={"task": "amount"})
        made = (await http.post("/predict", json={})).text
        assert (await heard.event())[2] == made


async def test_nobody_listening_costs_one_look(http: httpx.AsyncClient, plane: Plane) -> None:
    def active() -> bool:
        return plane.subscriptions.active

    assert not active()
    async with subscribed(http, "a"):
        assert active()
        assert len(plane.subscriptions) == 1
    while active():
        await asyncio.sleep(0)
    assert len(plane.subscriptions) == 0


async def test_silence_is_broken_by_heartbeats(http: httpx.AsyncClient, plane: Plane) -> None:
    plane.events = PredictionEvents(plane.shop.core, plane.subscriptions, heartbeat=0.01)
    async with subscribed(http) as heard:
        assert await heard.block() == [": heartbeat"]
        assert await heard.block() == [": heartbeat"]


async def test_one_who_comes_back_is_told_that_nothing_was_kept(http: httpx.AsyncClient) -> None:
    async with subscribed(http, **{"last-event-id": "018bcfe5-6800-7000-8000-00000000c3d4"}) as heard:
        name, data, _ = await heard.event()
    assert (name, data["after"]) == ("gap", "018bcfe5-6800-7000-8000-00000000c3d4")
    assert "not sent again" in data["detail"]


async def test_a_server_that_stops_says_so(http: httpx.AsyncClient, plane: Plane) -> None:
    async with subscribed(http) as heard:
        made = (await http.post("/predict", json={})).text
        plane.subscriptions.end()
        assert (await heard.event())[2] == made
        name, data, _ = await heard.event()
        assert (name, data["reason"]) == ("end", "stopping")
        assert await heard.block() == [], "the reply is complete"
    async with subscribed(http) as late:
        assert (await late.event())[1]["reason"] == "stopping"


async def test_there_are_only_so_many_subscribers(http: httpx.AsyncClient) -> None:
    async with subscribed(http), subscribed(http), subscribed(http):
        response = await http.get(STREAM)
    assert (response.status_code, response.json()["code"]) == (429, "rate-limited")
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/tasks/prise/predictions/stream", 404, "unknown-task"),
        (STREAM + "?entities=a", 422, "invalid-input"),
        (STREAM + "?entity=", 422, "invalid-input"),
        (STREAM + "?entity", 422, "invalid-input"),
        (STREAM + "?entity=%ff", 422, "invalid-input"),
        (STREAM + "?entity=" + "x" * 257, 422, "invalid-input"),
        (STREAM + "?" + "&".join(["entity=x"] * 1_001), 422, "invalid-input"),
    ],
)
async def test_what_cannot_be_subscribed_to_is_refused(
    http: httpx.AsyncClient, plane: Plane, path: str, status: int, code: str
) -> None:
    response = await http.get(path)
    content = response.json()
    assert (response.status_code, content["code"]) == (status, code)
    assert all(fault["fix"] for fault in content["faults"])
    assert not plane.subscriptions.active


async def test_other_methods(http: httpx.AsyncClient, plane: Plane) -> None:
    response = await http.post(STREAM)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
    response = await http.head(STREAM)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert not plane.subscriptions.active


async def test_before_the_models_are_loaded_there_is_nothing_to_hear(http: httpx.AsyncClient, plane: Plane) -> None:
    plane.shop.holder.current = None
    assert (await http.get(STREAM)).status_code == 503


class Reader:
    """A subscriber played by hand, who takes what he is sent only when he likes."""

    def __init__(self) -> None:
        self.takes = asyncio.Event()
        self.leaves = asyncio.Event()
        self.taken: list[Any] = []

    async def receive(self) -> Any:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.takes.wait()
        self.taken.append(message)

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.taken).decode()


SCOPE = {"type": "http", "method": "GET", "path": STREAM, "query_string": b"", "headers": []}


async def test_a_slow_subscriber_is_let_go_and_told_and_nobody_waits_for_him(plane: Plane) -> None:
    reader = Reader()
    serving = asyncio.create_task(plane.events.serve(SCOPE, reader.receive, reader.send))
    while not plane.subscriptions.active:
        await asyncio.sleep(0)
    made = [(await plane.predict(number)).decode() for number in range(20)]
    await asyncio.sleep(0)
    assert plane.subscriptions.dropped == 1
    reader.takes.set()
    await serving
    assert reader.text.count("event: prediction") == 5
    assert all(one in reader.text for one in made[:5])
    assert json.loads(reader.text.split("event: end\ndata: ")[1])["reason"] == "too-slow"
    assert reader.taken[-1]["more_body"] is False
    assert not plane.subscriptions.active


async def test_one_who_takes_nothing_at_all_is_not_waited_for(plane: Plane) -> None:
    plane.events = PredictionEvents(plane.shop.core, plane.subscriptions, patience=0.01)
    reader = Reader()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await reader.send(message)

    await plane.events.serve(SCOPE, reader.receive, send)
    assert not plane.subscriptions.active


async def test_one_who_leaves_is_forgotten(plane: Plane) -> None:
    reader = Reader()
    reader.takes.set()
    serving = asyncio.create_task(plane.events.serve(SCOPE, reader.receive, reader.send))
    while not len(plane.subscriptions):
        await asyncio.sleep(0)
    reader.leaves.set()
    await serving
    assert len(plane.subscriptions) == 0
    assert "event" not in reader.text


@pytest.mark.parametrize("path", ["/v1/tasks/price/stream", "/v1/tasks//predictions/stream", "/v1/predictions/stream"])
def test_other_paths_are_not_events(path: str) -> None:
    assert not is_events(path)


def test_an_entity_may_be_any_text() -> None:
    assert entities_of(b"entity=a%26b&entity=a+b&entity=%E2%82%AC") == frozenset({"a&b", "a b", "€"})


@settings(derandomize=True, deadline=None)
@given(query=st.binary(max_size=30) | st.text(st.sampled_from("entity=&%é0a;+"), max_size=40).map(str.encode))
def test_a_query_is_read_or_refused(query: bytes) -> None:
    try:
        found = entities_of(query)
    except InvalidInput as error:
        assert error.faults
    else:
        assert found is None or all(found)
