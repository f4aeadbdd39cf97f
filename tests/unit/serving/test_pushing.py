from __future__ import annotations

import json
from typing import Any

import pytest

from tropism.core.clock import SECOND
from tropism.core.errors import DiskFull, InputError, InvalidInput, MalformedBody, NotFound, NotReady, TooLarge
from tropism.core.events import Push
from tropism.features import Decimal, StreamSource
from tropism.features.checks import rule
from tropism.features.streams import EventReader
from tropism.serving import Snapshot
from tropism.serving.pushing import Pushes

PAYMENTS = StreamSource(
    name="payments",
    timestamp="at",
    schema={"account_id": str, "amount": Decimal(2), "score": float},
    rules=(rule.range("amount", 0, policy="reject"), rule.range("score", maximum=1, policy="stop")),
)
CLICKS = StreamSource(name="clicks", timestamp="at", schema={"user": int})


@pytest.fixture
def live(desk: Any) -> Any:
    readers = {"payments": EventReader(PAYMENTS, keys=("account_id",)), "clicks": EventReader(CLICKS, keys=("user",))}
    desk.holder.current = Snapshot(1, {}, streams=readers)
    return desk


def event(desk: Any, **more: Any) -> dict[str, Any]:
    return {"account_id": "a-17", "amount": "9.50", "at": desk.clock.now(), **more}


async def send(desk: Any, content: Any, source: str = "payments") -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return json.loads(await Pushes(desk.parts).accept(source, body))


async def refused(desk: Any, content: Any, source: str = "payments") -> InputError:
    with pytest.raises(InputError) as caught:
        await send(desk, content, source)
    assert desk.recorded() == []
    assert desk.meters.events.values == {}
    return caught.value


async def test_events_are_recorded_before_the_reply(live: Any) -> None:
    reply = await send(live, {"events": [event(live), event(live, amount=3)], "id": "order-7"})
    assert reply == {"accepted": 2, "rejected": []}
    now = live.clock.now()
    assert live.recorded() == [
        Push(
            source="payments",
            received=now,
            names=("account_id", "amount", "score", "at"),
            rows=[("a-17", "9.50", None, now), ("a-17", "3.00", None, now)],
            id="order-7",
        )
    ]
    assert live.meters.events.values == {("payments", "accepted"): 2}


async def test_a_list_and_a_single_event_are_pushes_too(live: Any) -> None:
    assert (await send(live, [event(live)] * 3))["accepted"] == 3
    assert (await send(live, {"user": 5, "at": 0}, "clicks"))["accepted"] == 1
    assert [(one.source, len(one.rows), one.id) for one in live.recorded()] == [("payments", 3, ""), ("clicks", 1, "")]


async def test_what_rules_reject_is_told_and_the_rest_accepted(live: Any) -> None:
    reply = await send(live, {"events": [event(live), event(live, amount=-1), event(live)]})
    assert reply == {"accepted": 2, "rejected": [{"index": 1, "rule": "range of 'amount'", "value": "-1"}]}
    (push,) = live.recorded()
    assert [(policy, value) for _, policy, value in push.failures] == [("reject", "-1")]
    assert live.meters.events.values == {("payments", "accepted"): 2, ("payments", "rejected"): 1}


async def test_failures_are_recorded_when_nothing_else_is_left(live: Any) -> None:
    assert (await send(live, event(live, amount=-1)))["accepted"] == 0
    (push,) = live.recorded()
    assert (push.rows, len(push.failures)) == ([], 1)


async def test_a_rule_that_stops_lets_nothing_through(live: Any) -> None:
    error = await refused(live, {"events": [event(live), event(live, score=2)]})
    assert isinstance(error, InvalidInput)
    assert "range of 'score'" in error.message
    assert (error.faults[0].field, error.faults[0].value) == ("events[1].score", "2")


@pytest.mark.parametrize(
    ("amount", "kept"), [("12345678901234567.89", "12345678901234567.89"), ("1e1", "10.00"), ("0.10", "0.10")]
)
async def test_numbers_for_decimals_keep_every_digit(live: Any, amount: str, kept: str) -> None:
    await send(live, b'{"account_id": "a", "amount": %b, "score": 0.1, "at": 0}' % amount.encode())
    assert live.recorded()[0].rows == [("a", kept, 0.1, 0)]


@pytest.mark.parametrize("amount", ["0.001", "12345678901234567.891", "1e-99999999999999999999"])
async def test_a_number_that_a_decimal_cannot_hold_is_refused(live: Any, amount: str) -> None:
    error = await refused(live, b'{"account_id": "a", "amount": %b, "at": 0}' % amount.encode())
    assert error.faults[0].field == "events[0].amount"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"account_id": None}, "account_id"),
        ({"amount": True}, "amount"),
        ({"score": "1"}, "score"),
        ({"acount_id": "a"}, "acount_id"),
        ({"arrived_at": 1}, "arrived_at"),
        ({"at": (1_700_000_000 + 61) * SECOND}, "at"),
    ],
)
async def test_one_bad_event_refuses_all_and_is_named(live: Any, change: dict[str, Any], field: str) -> None:
    bad = event(live, **change)
    error = await refused(live, {"events": [event(live), bad]})
    assert isinstance(error, InvalidInput)
    assert [fault.field for fault in error.faults] == [f"events[1].{field}"]
    assert (await refused(live, [bad])).faults[0].field == f"[0].{field}"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ([], "body"),
        ("x", "body"),
        (5, "body"),
        (None, "body"),
        ({"events": []}, "events"),
        ({"events": {}}, "events"),
        ({"events": [5]}, "events[0]"),
        ([5], "[0]"),
        ({"events": [1], "ids": "a"}, "ids"),
        ({"events": [1], "id": ""}, "id"),
        ({"events": [1], "id": "x" * 129}, "id"),
        ({"events": [1], "id": 7}, "id"),
    ],
)
async def test_a_body_without_events_is_refused(live: Any, content: Any, field: str) -> None:
    error = await refused(live, content)
    assert isinstance(error, InvalidInput)
    assert [fault.field for fault in error.faults] == [field]
    assert error.faults[0].fix


async def test_what_is_not_json_is_refused(live: Any) -> None:
    assert isinstance(await refused(live, b"account_id=a"), MalformedBody)
    assert isinstance(await refused(live, b'{"amount": NaN}'), MalformedBody)
    assert isinstance(await refused(live, b'[{"at": 0, "at": 1}]'), MalformedBody)


async def test_an_unknown_stream_lists_the_streams(live: Any) -> None:
    error = await refused(live, event(live), "payment")
    assert isinstance(error, NotFound)
    assert error.faults[0].fix == "did you mean 'payments'? The streams are: clicks, payments"
    assert "use one of: clicks, payments" in (await refused(live, event(live), "zzz")).faults[0].fix


async def test_without_streams_it_is_told_how_to_declare_one(desk: Any) -> None:
    with pytest.raises(NotReady):
        await send(desk, event(desk))
    desk.holder.current = Snapshot(1, {})
    error = await refused(desk, event(desk))
    assert "StreamSource" in error.faults[0].fix


async def test_too_many_events_say_how_many_are_taken(live: Any) -> None:
    error = await refused(live, [event(live)] * 6)
    assert isinstance(error, TooLarge)
    assert "at most 5" in error.faults[0].fix


async def test_a_full_disk_accepts_nothing(live: Any) -> None:
    live.fill_disk()
    with pytest.raises(DiskFull):
        await send(live, event(live))
    assert live.recorded() == []
    assert live.meters.events.values == {}
