"""Calls for features of both clients, against a server that is played by a function."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import pytest

from tropism.core.clock import ManualClock
from tropism.sdk import AsyncClient, Client, InvalidInput, NotReady, Pushed, RejectedEvent, TooLarge

Answer = Callable[[httpx.Request, Any], httpx.Response]


class Platform:
    """Answers requests; remembers them with their bodies."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content, parse_float=Decimal) if request.content else None
        self.asked.append((request.method, request.url.path, body))
        return self.answer(request, body)

    @property
    def ids(self) -> list[str]:
        return [body["id"] for _, _, body in self.asked]


class Both:
    """Calls a method of the client of one colour, and waits for what it gives."""

    def __init__(self, colour: str, platform: Platform, **options: Any) -> None:
        self.colour, self.platform, self.options = colour, platform, options

    def __call__(self, name: str, *arguments: Any, **more: Any) -> Any:
        transport = httpx.MockTransport(self.platform)
        if self.colour == "blocking":
            with Client(transport=transport, **self.options) as client:
                return getattr(client, name)(*arguments, **more)

        async def run() -> Any:
            async with AsyncClient(transport=transport, **self.options) as client:
                made = getattr(client, name)(*arguments, **more)
                assert inspect.isawaitable(made)
                return await made

        return asyncio.run(run())


@pytest.fixture(params=["blocking", "async"])
def calling(request: pytest.FixtureRequest) -> Callable[..., Both]:
    def made(answer: Answer, **options: Any) -> Both:
        return Both(request.param, Platform(answer), **options)

    return made


def accept(request: httpx.Request, body: Any) -> httpx.Response:
    return httpx.Response(202, json={"accepted": len(body["events"]), "rejected": []})


def refusal(status: int, code: str, field: str = "") -> httpx.Response:
    faults = [{"field": field, "value": "x", "fix": "y"}] if field else []
    return httpx.Response(status, json={"code": code, "detail": "no", "faults": faults})


def test_events_keep_every_digit_and_times_become_microseconds(calling: Callable[..., Both]) -> None:
    call = calling(accept)
    event = {
        "account_id": "a",
        "amount": Decimal("12345678901234567.89"),
        "at": datetime(1970, 1, 2, tzinfo=UTC),
        "seen": np.datetime64("1970-01-01T00:00:01", "ns"),
        "count": np.int64(3),
        "score": np.float32(0.5),
        "vector": np.array([1.0, 2.0], np.float32),
        "missing": float("nan"),
    }
    assert call("push", "pay ments", [event]) == Pushed(1)
    ((method, path, body),) = call.platform.asked
    assert (method, path) == ("POST", "/v1/features/pay ments/events")
    assert body["events"] == [
        {
            "account_id": "a",
            "amount": Decimal("12345678901234567.89"),
            "at": 86_400_000_000,
            "seen": 1_000_000,
            "count": 3,
            "score": 0.5,
            "vector": [1.0, 2.0],
            "missing": None,
        }
    ]


def test_a_push_whose_reply_was_lost_is_the_same_push_again(calling: Callable[..., Both]) -> None:
    lost = iter([True, False])

    def answer(request: httpx.Request, body: Any) -> httpx.Response:
        if next(lost):
            raise httpx.ReadError("cut")
        return accept(request, body)

    call = calling(answer)
    assert call("push", "payments", [{"a": 1}]).accepted == 1
    first, second = call.platform.ids
    assert first == second
    assert call.platform.asked[0] == call.platform.asked[1]


def test_two_pushes_have_two_ids_unless_one_is_given(calling: Callable[..., Both]) -> None:
    call = calling(accept, clock=ManualClock(5))
    for given in (None, None, "mine", "mine"):
        call("push", "payments", [{"a": 1}], given)
    first, second, *others = call.platform.ids
    assert len({first, second}) == 2
    assert others == ["mine", "mine"]


def test_many_events_go_in_batches_and_places_are_those_of_the_whole(calling: Callable[..., Both]) -> None:
    def answer(request: httpx.Request, body: Any) -> httpx.Response:
        rejected = [
            {"index": index, "rule": "range of 'a'", "value": str(event["a"])}
            for index, event in enumerate(body["events"])
            if event["a"] == 5
        ]
        return httpx.Response(202, json={"accepted": len(body["events"]) - len(rejected), "rejected": rejected})

    call = calling(answer, batch=3)
    found = call("push", "payments", [{"a": n} for n in range(7)], "mine")
    assert found == Pushed(6, (RejectedEvent(5, "range of 'a'", "5"),))
    assert call.platform.ids == ["mine:0", "mine:3", "mine:6"]

    def refuse(request: httpx.Request, body: Any) -> httpx.Response:
        bad = [index for index, event in enumerate(body["events"]) if event["a"] == 5]
        return refusal(422, "invalid-input", f"events[{bad[0]}].a") if bad else accept(request, body)

    call = calling(refuse, batch=3)
    with pytest.raises(InvalidInput) as caught:
        call("push", "payments", [{"a": n} for n in range(7)])
    assert caught.value.faults[0].field == "events[5].a"


def test_a_server_that_takes_less_gets_halves_under_ids_of_their_own(calling: Callable[..., Both]) -> None:
    def answer(request: httpx.Request, body: Any) -> httpx.Response:
        return refusal(413, "too-large") if len(body["events"]) > 2 else accept(request, body)

    call = calling(answer)
    assert call("push", "payments", [{"a": n} for n in range(5)], "mine").accepted == 5
    sent = [(body["id"], len(body["events"])) for _, _, body in call.platform.asked if len(body["events"]) <= 2]
    assert sent == [("mine.0", 2), ("mine.1.0", 1), ("mine.1.1", 2)]
    call = calling(lambda request, body: refusal(413, "too-large"))
    with pytest.raises(TooLarge):
        call("push", "payments", [{"a": 1}])


def test_no_events_are_no_request(calling: Callable[..., Both]) -> None:
    call = calling(accept)
    assert call("push", "payments", []) == Pushed(0)
    assert call("features", ["spend"], []) == []
    assert call.platform.asked == []


@pytest.mark.parametrize("value", [float("inf"), {"a": 1}, object()])
def test_what_cannot_be_sent_is_named(calling: Callable[..., Both], value: Any) -> None:
    call = calling(accept)
    with pytest.raises(InvalidInput) as caught:
        call("push", "payments", [{"a": 1}, {"a": value}])
    assert caught.value.faults[0].field == "events[1].a"
    assert call.platform.asked == []


def test_features_come_in_the_order_of_the_rows(calling: Callable[..., Both]) -> None:
    busy = iter([True, False, False, False])

    def answer(request: httpx.Request, body: Any) -> httpx.Response:
        if next(busy):
            return refusal(503, "not-ready")
        rows = [
            {
                "values": {"spend.count_7d": row["account_id"]},
                "statuses": {"spend": "PRESENT"},
                "known": {"spend@1": None},
            }
            for row in body["rows"]
        ]
        return httpx.Response(200, json={"names": ["spend.count_7d"], "rows": rows, "at": "2026-01-01T00:00:00Z"})

    call = calling(answer, batch=2)
    found = call("features", ["spend.count_7d"], [{"account_id": n} for n in range(5)], at=7)
    assert [one.values["spend.count_7d"] for one in found] == list(range(5))
    assert (found[0].statuses, found[0].known) == ({"spend": "PRESENT"}, {"spend@1": None})
    assert {path for _, path, _ in call.platform.asked} == {"/api/v1/ml/features/compute"}
    assert all(body["features"] == ["spend.count_7d"] and body["at"] == 7 for _, _, body in call.platform.asked)


def test_an_error_names_the_row_of_all_rows(calling: Callable[..., Both]) -> None:
    def answer(request: httpx.Request, body: Any) -> httpx.Response:
        if {"id": 3} in body["rows"]:
            return refusal(422, "invalid-input", "rows[1].account_id")
        return httpx.Response(200, json={"rows": [{"values": {}}] * len(body["rows"])})

    with pytest.raises(InvalidInput) as caught:
        calling(answer, batch=2)("features", "spend", [{"id": n} for n in range(4)])
    assert caught.value.faults[0].field == "rows[3].account_id"


def test_every_feature_is_listed(calling: Callable[..., Both]) -> None:
    call = calling(lambda request, body: httpx.Response(200, json=[{"name": "spend.count_7d", "lag": 0.5}]))
    assert call("feature_list") == [{"name": "spend.count_7d", "lag": 0.5}]
    assert call.platform.asked == [("GET", "/api/v1/ml/features", None)]


def test_a_server_that_is_away_has_a_remedy(calling: Callable[..., Both]) -> None:
    def away(request: httpx.Request, body: Any) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(NotReady) as caught:
        calling(away, retries=0)("push", "payments", [{"a": 1}])
    assert "tropism up" in caught.value.faults[0].fix
