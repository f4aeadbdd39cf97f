"""Streams of predictions over real sockets, with the client that everybody uses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tropism.entrypoints.api.protocols.websocket import PredictionStream, is_stream
from tropism.entrypoints.api.protocols.websocket_connections import Terms
from tropism.entrypoints.api.server import bind

ROW = {"demand": 12.5, "zone": "north"}
GOOD = json.dumps({"features": ROW})


class Street:
    """A shop that only streams, behind a port."""

    def __init__(self, shop: Any) -> None:
        self.shop = shop
        self.terms = Terms(in_flight=8, bad=5, idle=30.0)
        self.stream = PredictionStream(shop.core, self.terms, most=4)
        self.address = ""

    def change(self, **terms: Any) -> None:
        """Later connections get other terms."""
        self.stream = PredictionStream(self.shop.core, self.terms._replace(**terms), most=4)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert self.stream.matches(scope["path"])
        await self.stream.serve(scope, receive, send)

    def connect(self, task: str = "price", **options: Any) -> connect:
        return connect(f"ws://{self.address}/v1/tasks/{task}/stream", proxy=None, **options)


@pytest.fixture
async def street(shop: Any) -> AsyncIterator[Street]:
    made = Street(shop)
    listener = bind("127.0.0.1", 0)
    made.address = f"127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        made, http="httptools", ws="websockets-sansio", ws_max_size=40_000, log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve([listener]))
    async with asyncio.timeout(60):
        yield made
    server.should_exit = True
    await running


async def said(connection: ClientConnection, message: str | bytes = "") -> Any:
    if message:
        await connection.send(message)
    return json.loads(await connection.recv())


async def test_a_message_is_answered_as_a_request_is(street: Street) -> None:
    async with street.connect() as connection:
        reply = await said(connection, GOOD)
    wanted = json.loads(await street.shop.core.predictions.predict("price", GOOD.encode()))
    assert set(reply) == set(wanted)
    assert {**reply, "prediction_id": ""} == {**wanted, "prediction_id": ""}


async def test_a_reply_comes_only_after_its_prediction_is_recorded(street: Street) -> None:
    async with street.connect() as connection:
        for count in range(1, 4):
            reply = await said(connection, GOOD)
            recorded = street.shop.recorded()
            assert len(recorded) == count
            assert recorded[-1].id == reply["prediction_id"]


async def test_many_rows_in_one_message(street: Street) -> None:
    async with street.connect() as connection:
        reply = await said(connection, json.dumps({"id": "x", "instances": [{"features": ROW}] * 3}))
    assert reply["id"] == "x"
    assert len(reply["predictions"]) == len(street.shop.recorded()) == 3


async def test_more_messages_than_may_be_in_flight_are_all_answered_in_order(street: Street) -> None:
    async with street.connect() as connection:

        async def ask() -> None:
            for number in range(200):
                features = {"demand": number % 40, "zone": "south"}
                await connection.send(json.dumps({"id": number, "features": features}))

        asking = asyncio.create_task(ask())
        replies = [await said(connection) for _ in range(200)]
        await asking
    assert [reply["id"] for reply in replies] == list(range(200))
    assert [reply["probabilities"]["true"] for reply in replies] == [number % 40 / 100 for number in range(200)]
    assert [event.id for event in street.shop.recorded()] == [reply["prediction_id"] for reply in replies]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "malformed-body"),
        (GOOD[:-3], "malformed-body"),
        ("demand=1", "malformed-body"),
        ('{"features": {"demand": NaN, "zone": "north"}}', "malformed-body"),
        ('{"features": {"demand": Infinity, "zone": "north"}}', "malformed-body"),
        ('{"features": {"demand": 1e999, "zone": "north"}}', "malformed-body"),
        ("[" * 9_000, "malformed-body"),
        ('{"features":' * 900 + "}" * 900, "malformed-body"),
        (b"\xff\xfe", "malformed-body"),
        (GOOD.encode("utf-16"), "malformed-body"),
        ("[]", "invalid-input"),
        ("{}", "invalid-input"),
        ('{"features": {"zone": "north"}}', "missing-feature"),
        ('{"features": {"demand": 1, "zone": "north", "x": 1}}', "unknown-feature"),
        ('{"features": {"demand": 1' + "0" * 310 + ', "zone": "north"}}', "invalid-input"),
        (json.dumps({"instances": [{"features": ROW}] * 51}), "too-large"),
        (json.dumps({"features": ROW, "entity": "x" * 30_000}), "too-large"),
        (json.dumps({"id": {"a": 1}, "features": ROW}), "invalid-input"),
        (json.dumps({"id": True, "features": ROW}), "invalid-input"),
        (json.dumps({"id": "x" * 300, "features": ROW}), "invalid-input"),
        ('{"id": 1e999, "features": {}}', "invalid-input"),
    ],
)
async def test_a_bad_message_gets_a_problem_and_the_next_one_a_reply(
    street: Street, message: str | bytes, code: str
) -> None:
    async with street.connect() as connection:
        problem = await said(connection, message)
        assert (problem["code"], problem["status"] // 100) == (code, 4)
        assert problem["faults"]
        assert "Traceback" not in problem["detail"]
        assert not street.shop.recorded()
        assert (await said(connection, GOOD))["version"] == 4


async def test_a_problem_carries_the_id_of_its_message(street: Street) -> None:
    async with street.connect() as connection:
        problem = await said(connection, json.dumps({"id": "mine", "features": {}}))
    assert (problem["id"], problem["code"]) == ("mine", "missing-feature")


async def test_duplicate_keys_mean_the_last_as_in_a_request(street: Street) -> None:
    async with street.connect() as connection:
        reply = await said(connection, '{"features": 3, "id": 1, "features": {"demand": 20, "zone": "south"}, "id": 2}')
    assert (reply["id"], reply["probabilities"]["true"]) == (2, 0.2)


async def test_json_in_a_binary_message_or_in_fragments_is_read(street: Street) -> None:
    async with street.connect() as connection:
        assert (await said(connection, GOOD.encode()))["version"] == 4
        await connection.send([GOOD[:5], GOOD[5:9], GOOD[9:]])
        assert (await said(connection))["version"] == 4


async def test_only_bad_messages_end_in_the_connection_being_closed(street: Street) -> None:
    async with street.connect() as connection:
        for _ in range(4):
            await said(connection, "{")
        await said(connection, GOOD)
        for _ in range(5):
            assert (await said(connection, "{"))["code"] == "malformed-body"
        with pytest.raises(ConnectionClosed) as caught:
            await connection.recv()
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "5 messages in a row could not be used")


async def test_a_connection_that_says_nothing_is_closed(street: Street) -> None:
    street.change(idle=0.01)
    async with street.connect() as connection:
        with pytest.raises(ConnectionClosed) as caught:
            await connection.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 3008


async def test_a_message_beyond_what_a_server_can_take_closes_the_connection(street: Street) -> None:
    async with street.connect() as connection:
        with pytest.raises(ConnectionClosed) as caught:
            await connection.send("x" * 100_000)
            await connection.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


async def test_pings_are_answered(street: Street) -> None:
    async with street.connect() as connection:
        await (await connection.ping())
        await said(connection, GOOD)
        await connection.close(1000)
    assert connection.close_code == 1000


async def refused(street: Street, task: str = "price", **options: Any) -> tuple[int, Any]:
    with pytest.raises(InvalidStatus) as caught:
        async with street.connect(task, **options):
            pass
    response = caught.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, json.loads(response.body)


async def test_an_unknown_task_is_refused_with_the_tasks_that_there_are(street: Street) -> None:
    status, problem = await refused(street, "prise")
    assert (status, problem["code"]) == (404, "unknown-task")
    assert "price" in problem["faults"][0]["fix"]


async def test_a_page_of_another_address_is_refused(street: Street) -> None:
    status, problem = await refused(street, additional_headers={"origin": "https://elsewhere.example"})
    assert (status, problem["code"]) == (403, "policy-refused")
    async with street.connect(additional_headers={"origin": f"http://{street.address}"}) as connection:
        assert (await said(connection, GOOD))["version"] == 4


async def test_more_connections_than_are_allowed_are_refused(street: Street) -> None:
    opened = [await street.connect() for _ in range(4)]
    status, problem = await refused(street)
    assert (status, problem["code"]) == (429, "rate-limited")
    for connection in opened:
        await connection.close()


async def test_before_the_models_are_loaded_nobody_is_let_in(street: Street) -> None:
    street.shop.holder.current = None
    assert (await refused(street))[0] == 503


async def test_models_that_go_away_are_a_problem_of_each_message(street: Street) -> None:
    async with street.connect() as connection:
        street.shop.holder.current = None
        for _ in range(9):
            assert (await said(connection, GOOD))["status"] == 503
        street.shop.holder.current = street.shop.snapshot
        assert (await said(connection, GOOD))["version"] == 4, "the caller did nothing wrong"


async def test_a_failure_of_ours_is_told_without_its_traceback(street: Street, caplog: Any) -> None:
    class Broken:
        async def score(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("secret")

        def failed(self, *_: Any) -> None:
            pass

    street.stream = PredictionStream(street.shop.core._replace(predictions=Broken()))
    async with street.connect() as connection:
        problem = await said(connection, json.dumps({"id": 5, "features": ROW}))
    assert (problem["id"], problem["status"], problem["code"]) == (5, 500, "internal")
    assert "secret" not in json.dumps(problem)
    assert "failed" in caplog.text


async def test_a_plain_request_is_told_what_the_path_is(street: Street) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://{street.address}/v1/tasks/price/stream")
    assert (response.status_code, response.headers["upgrade"]) == (426, "websocket")
    assert "ws://" in response.json()["faults"][0]["fix"]


async def test_a_caller_that_leaves_with_messages_in_flight_leaves_them_recorded(street: Street) -> None:
    connection = await street.connect()
    for _ in range(3):
        await connection.send(GOOD)
    assert (await said(connection))["version"] == 4
    connection.transport.abort()
    async with street.connect() as other:
        assert (await said(other, GOOD))["version"] == 4
    assert 2 <= len(street.shop.recorded()) <= 4


@pytest.mark.parametrize("path", ["/v1/tasks/price/predict", "/v1/tasks//stream", "/v1/tasks/a/b/stream", "/stream"])
def test_other_paths_are_not_streams(path: str) -> None:
    assert not is_stream(path)
