from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tropism.entrypoints.api.protocols.websocket_messages import Messages, named, split

GOOD = {"features": {"demand": 12.5, "zone": "north"}}


@pytest.mark.parametrize("identifier", ["a", "", 'é "', 0, -7, 2**63, "x" * 254])
async def test_the_id_comes_back_as_it_was(shop: Any, identifier: Any) -> None:
    answer = await Messages(shop.core, "price").answer(json.dumps({**GOOD, "id": identifier}).encode())
    assert answer.usable
    assert json.loads(answer.text)["id"] == identifier


@pytest.mark.parametrize("raw", ["1.5", "true", "[]", "{}", "1e999", '"\\ud800"', "NaN"])
async def test_an_id_that_is_no_name_is_refused(shop: Any, raw: str) -> None:
    answer = await Messages(shop.core, "price").answer(b'{"id": ' + raw.encode() + b', "features": {}}')
    content = json.loads(answer.text)
    assert (answer.usable, content["status"] // 100) == (False, 4)
    assert "id" not in content


async def test_a_null_is_no_id(shop: Any) -> None:
    answer = await Messages(shop.core, "price").answer(json.dumps({**GOOD, "id": None}).encode())
    assert not answer.usable


async def test_a_caller_who_has_used_up_his_rate_is_told_so(shop: Any) -> None:
    admitted = iter([True, False])
    messages = Messages(shop.core, "price", lambda: next(admitted))
    first, second = [await messages.answer(json.dumps({**GOOD, "id": number}).encode()) for number in range(2)]
    assert first.usable
    content = json.loads(second.text)
    assert (content["id"], content["status"], content["code"]) == (1, 429, "rate-limited")
    assert (second.usable, len(shop.recorded())) == (False, 1)


def test_numbers_keep_their_digits() -> None:
    assert split(b'{"id":1,"features":{"demand":0.1000000000000000055}}')[1] == (
        b'{"features":{"demand":0.1000000000000000055}}'
    )


def test_a_name_is_put_first() -> None:
    assert named(b'"a"', b'{"b":1}') == b'{"id":"a","b":1}'
    assert named(b"", b'{"b":1}') == b'{"b":1}'


KEYS = st.sampled_from(["id", "features", "instances", "demand", "zone", "at", "entity"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4).map(lambda value: json.dumps(value).encode())


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(message=st.binary(max_size=60) | OBJECTS, cut=st.integers(0, 9))
def test_every_message_gets_an_answer_and_none_is_our_failure(shop: Any, message: bytes, cut: int) -> None:
    before = len(shop.recorded())
    answer = asyncio.run(Messages(shop.core, "price").answer(message[: len(message) - cut]))
    content = json.loads(answer.text)
    assert content.get("status", 200) < 500
    assert answer.usable or len(shop.recorded()) == before
