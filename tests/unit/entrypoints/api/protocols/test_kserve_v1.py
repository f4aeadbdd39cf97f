from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tropism.entrypoints.api.asgi import Reply
from tropism.entrypoints.api.protocols.base import Request
from tropism.entrypoints.api.protocols.kserve_v1 import KServeV1

PRICE, COLOUR, AMOUNT = "/v1/models/price:predict", "/v1/models/colour:predict", "/v1/models/amount:predict"
ROW = {"demand": 30, "zone": "north"}


async def ask(shop: Any, path: str, body: bytes, query: bytes = b"", method: str = "POST") -> Reply:
    found = KServeV1(shop.core).find(method, path)
    assert found is not None
    assert method in found.allowed
    return await found.answer(Request(method, path, query, [], body))


def instances(*rows: Any, **fields: Any) -> bytes:
    return json.dumps({"instances": rows, **fields}).encode()


@pytest.mark.parametrize(
    ("path", "rows", "predictions"),
    [
        (PRICE, [ROW, {"demand": 10, "zone": "south", "holiday": True}], [True, False]),
        (PRICE, [[30, "north", False], ROW, [None, "south", False]], [True, True, False]),
        (COLOUR, [[0.5, 0.25], [2, 0.75], {"depth": 0.25, "hue": 2}], ["red", "blue", "green"]),
        (AMOUNT, [[1], {"size": 2}], [7.5, 7.5]),
    ],
)
async def test_rows_are_objects_or_lists_in_the_declared_order(
    shop: Any, path: str, rows: list[Any], predictions: list[Any]
) -> None:
    reply = await ask(shop, path, instances(*rows))
    assert reply.status == 200
    assert json.loads(reply.body) == {"predictions": predictions}
    assert len(shop.recorded()) == len(rows)


async def test_ids_come_when_they_are_asked_for(shop: Any) -> None:
    content = json.loads((await ask(shop, PRICE, instances(ROW, ROW), b"ids=true")).body)
    assert content["prediction_ids"] == [event.id for event in shop.recorded()]


def test_over_a_socket(served: Any) -> None:
    with httpx.Client(base_url=f"http://{served.http}") as http:
        found = http.post(PRICE, json={"instances": [ROW], "signature_name": "serving_default"})
        assert found.json() == {"predictions": [True]}
        assert found.headers["content-type"] == "application/json"
        refused = http.post(PRICE, json={"instances": [{}]})
        assert refused.status_code == 400
        assert set(refused.json()) == {"error"}
    assert len(served.shop.recorded()) == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (PRICE, b"", 400, "empty"),
        (PRICE, b"{", 400, "cut off"),
        (PRICE, b"[]", 400, "no list of instances"),
        (PRICE, b'{"instances": []}', 400, "no list of instances"),
        (PRICE, b'{"inputs": [[1]]}', 400, "no list of instances"),
        (PRICE, instances([1, "north"]), 400, "instances[0] is not a row"),
        (PRICE, instances(1), 400, "instances[0] is not a row"),
        (PRICE, instances(ROW, {**ROW, "demnad": 1}), 400, "did you mean 'demand'"),
        (PRICE, instances(ROW, {"zone": "north"}), 400, "instances[1].demand"),
        (PRICE, instances({**ROW, "demand": "1"}), 400, "without quotes"),
        (AMOUNT, instances([None]), 400, "may not be missing"),
        (PRICE, instances(*[ROW] * 51), 413, "max_rows"),
        ("/v1/models/prise:predict", instances(ROW), 404, "did you mean 'price'"),
    ],
)
async def test_what_cannot_be_used_is_one_sentence(
    shop: Any, path: str, body: bytes, status: int, message: str
) -> None:
    reply = await ask(shop, path, body)
    assert reply.status == status
    content = json.loads(reply.body)
    assert set(content) == {"error"}
    assert message in content["error"]
    assert shop.recorded() == []


async def test_another_method_is_refused_in_the_same_form(shop: Any) -> None:
    reply = await ask(shop, PRICE, b"", method="GET")
    assert reply.status == 405
    assert dict(reply.headers)[b"allow"] == b"POST"


async def test_callers_are_told_to_come_back(shop: Any, full_shop: Any) -> None:
    assert (await ask(full_shop, PRICE, instances(ROW))).status == 507
    shop.holder.current = None
    assert (await ask(shop, PRICE, instances(ROW))).status == 503


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/price", "/v1/models/:predict", "/v1/models/a/b:predict", "/v1/models/a:explain"]
)
def test_the_registrys_paths_are_not_ours(shop: Any, path: str) -> None:
    assert KServeV1(shop.core).find("POST", path) is None


VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
ROWS = st.lists(VALUE, max_size=4) | st.dictionaries(st.sampled_from(["demand", "zone", "x"]), VALUE) | VALUE


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(ROWS, max_size=3), st.integers(0, 20))
def test_any_rows_are_answered_or_refused(shop: Any, rows: list[Any], cut: int) -> None:
    before = len(shop.recorded())
    body = instances(*rows)
    reply = asyncio.run(ask(shop, PRICE, body[: len(body) - cut] if cut < 3 else body))
    assert reply.status in (200, 400)
    assert len(shop.recorded()) - before == (len(rows) if reply.status == 200 else 0)
