"""The short way gives up, or says and records exactly what the long way does."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tropism.core.errors import DiskFull, TropismError
from tropism.core.task import Feature, Task
from tropism.serving import Deployment, HttpSettings, ServedModel, Snapshot
from tropism.serving.predictions import Predictions
from tropism.serving.predictor import Predictor
from tropism.serving.turns import Turns

FEATURES = {"demand": 1, "zone": "north", "holiday": True}
BODY = json.dumps({"features": FEATURES}).encode()


class Waiter:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.replies: list[Any] = []
        self.errors: list[TropismError] = []
        self.sent_on = 0

    def reply(self, body: bytes) -> None:
        self.replies.append(json.loads(body))

    def refuse(self, error: TropismError) -> None:
        self.errors.append(error)

    def ask_long(self) -> None:
        self.sent_on += 1


@pytest.fixture
def live(desk: Any, price: Task, quick_model: Any) -> Any:
    desk.model = quick_model()
    desk.holder.current = Snapshot(1, {"price": Deployment(price, ServedModel(3, desk.model))})
    return desk


async def turn() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def plain(reply: Any) -> Any:
    for one in reply.get("predictions", [reply]):
        one.pop("prediction_id")
    return reply


async def test_requests_of_one_turn_are_scored_and_recorded_together(live: Any) -> None:
    parts, waiters = live.parts, [Waiter() for _ in range(5)]
    turns, before = Turns(parts, Predictor()), live.journal.head
    many = json.dumps({"instances": [{"features": {**FEATURES, "demand": n}} for n in range(4)]}).encode()
    for index, waiter in enumerate(waiters):
        assert turns.take("price", many if index % 2 else BODY, waiter)
    assert live.meters.in_flight == 5
    await turn()
    assert [len(one.replies) for one in waiters] == [1] * 5
    assert [len(one.replies[0].get("predictions", [0])) for one in waiters] == [1, 4, 1, 4, 1]
    assert live.model.asked == [11], "one scoring"
    assert live.journal.head == before + 1, "one record"
    told = [one for waiter in waiters for one in waiter.replies[0].get("predictions", waiter.replies)]
    assert [(one["prediction_id"], one["probabilities"]["true"]) for one in told] == [
        (event.id, event.scores[0]) for event in live.recorded()
    ]
    assert live.meters.in_flight == 0
    assert live.meters.predictions.values == {("price", "3", "champion"): 11}


async def test_a_snapshot_taken_is_used_to_the_end(live: Any, price: Task, quick_model: Any) -> None:
    turns, first, second = Turns(live.parts, Predictor()), Waiter(), Waiter()
    assert turns.take("price", BODY, first)
    live.holder.current = Snapshot(2, {"price": Deployment(price, ServedModel(4, quick_model()))})
    assert turns.take("price", BODY, second)
    await turn()
    assert (first.replies[0]["version"], second.replies[0]["version"]) == (3, 4)
    assert [event.version for event in live.recorded()] == [3, 4]


async def test_a_failing_model_sends_its_requests_the_long_way(live: Any, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("no")

    predictor, waiter = Predictor(), Waiter()
    turns, long = Turns(live.parts, predictor), Predictions(live.parts, predictor)
    live.model.act = fail
    for expected in ("champion-failed", "champion-failed", "champion-failed", "champion-failed", "champion-resting"):
        with caplog.at_level(logging.ERROR):
            assert turns.take("price", BODY, waiter)
            await turn()
            reply = json.loads(await long.predict("price", BODY))
        assert (reply["variant"], reply["degraded"]) == ("baseline", [expected])
    assert waiter.sent_on == 5
    assert live.meters.in_flight == 0
    assert len(live.model.asked) == 1, "one that fails is left to the long way"


async def test_a_model_that_is_well_again_is_asked_the_short_way_again(live: Any) -> None:
    def fail() -> None:
        raise RuntimeError("no")

    predictor, waiter = Predictor(), Waiter()
    turns, long = Turns(live.parts, predictor), Predictions(live.parts, predictor)
    live.model.act = fail
    turns.take("price", BODY, waiter)
    await turn()
    live.model.act = lambda: None
    assert json.loads(await long.predict("price", BODY))["degraded"] == []
    turns.take("price", BODY, waiter)
    await turn()
    assert (waiter.sent_on, len(waiter.replies)) == (1, 1)


async def test_a_full_disk_is_told_to_all(live: Any) -> None:
    live.fill_disk()
    turns, waiters = Turns(live.parts, Predictor()), [Waiter(), Waiter()]
    for waiter in waiters:
        assert turns.take("price", BODY, waiter)
    await turn()
    assert [type(waiter.errors[0]) for waiter in waiters] == [DiskFull, DiskFull]
    assert live.recorded() == []
    assert (live.meters.in_flight, live.meters.predictions.values) == (0, {})


async def test_nobody_waits_for_ever_because_of_a_fault_of_ours(live: Any, caplog: pytest.LogCaptureFixture) -> None:
    parts, bad, good = live.parts, Waiter(), Waiter()
    turns = Turns(parts, Predictor())
    bad.reply = None  # type: ignore[assignment,method-assign]  # a bug
    with caplog.at_level(logging.ERROR):
        assert turns.take("price", BODY, bad)
        assert turns.take("price", BODY, good)
        await turn()
    assert len(good.replies) == 1
    turns = Turns(parts._replace(identifiers=None), Predictor())
    with caplog.at_level(logging.ERROR):
        assert turns.take("price", BODY, good)
        await turn()
    assert (good.sent_on, live.meters.in_flight) == (1, 0)


async def test_what_cannot_be_taken_is_not(live: Any, price: Task, stub_model: Any) -> None:
    turns, waiter = Turns(live.parts, Predictor()), Waiter()
    assert not turns.take("prise", BODY, waiter)
    assert not turns.take("price", json.dumps({"instances": [{"features": FEATURES}] * 6}).encode(), waiter)
    crowded = Turns(live.parts._replace(settings=HttpSettings(max_inflight=1)), Predictor())
    live.meters.in_flight = 1
    assert not crowded.take("price", BODY, waiter)
    live.holder.current = Snapshot(2, {"price": Deployment(price, ServedModel(4, stub_model(0.5)))})
    assert not turns.take("price", BODY, waiter)
    live.holder.current = None
    assert not turns.take("price", BODY, waiter)
    await turn()
    assert live.recorded() == []


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([10**300, int(1e300), int(1e300) + 1, -int(1e300) - 1, 1e300, 2**53 + 1, -0.0, 5e-324])
    | st.sampled_from(["north", "south", "west", "a:b", "", "x" * 257, "x" * 1_025, "\u2028", "\U0001f600"])
)
ROWS = st.fixed_dictionaries(
    {"demand": st.floats(-5, 5) | st.integers(-9, 9) | SCALARS, "zone": st.sampled_from(["north", "south"]) | SCALARS},
    optional={"holiday": st.booleans() | SCALARS, "other:": SCALARS},
)
FULL = st.fixed_dictionaries(
    {"demand": st.floats(-5, 5), "zone": st.sampled_from(["north", "south"]), "holiday": st.booleans()}
)
TEXTS = st.sampled_from(["e1", "a:b", "\u00e9"]) | SCALARS
ELEMENTS = st.fixed_dictionaries(
    {"features": FULL | FULL | ROWS | SCALARS}, optional={"entity": TEXTS, "unit": TEXTS, "at": SCALARS, "x": SCALARS}
)
CONTENTS = ELEMENTS | st.fixed_dictionaries(
    {"instances": st.lists(st.fixed_dictionaries({"features": FULL}) | ELEMENTS, max_size=6)}, optional={"x": SCALARS}
)
EDITS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.integers(0, 3),
        st.sampled_from(
            [b"", b" ", b":", b'"', b",", b"{", b"}", b"0", b"-", b"e9", b"\\u003a", b"\xff", b"\xef\xbb\xbf"]
        )
        | st.sampled_from(
            [b'"demand": 2,', b'"entity": "z",', b'"\\u0064emand": 1,', b'"features": {},', b"\\ud800", b"NaN"]
        ),
    ),
    max_size=2,
)


@settings(
    max_examples=1_200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=CONTENTS, edits=EDITS, compact=st.booleans(), ascii_only=st.booleans())
def test_both_ways_say_and_record_the_same(
    live: Any, content: Any, edits: list[tuple[int, int, bytes]], compact: bool, ascii_only: bool
) -> None:
    body = json.dumps(content, separators=(",", ":") if compact else None, ensure_ascii=ascii_only).encode()
    for place, cut, new in edits:
        place %= len(body) + 1
        body = body[:place] + new + body[place + cut :]

    async def both() -> tuple[Any, Any]:
        waiter, parts = Waiter(), live.parts
        if not Turns(parts, Predictor()).take("price", body, waiter):
            return None, None
        await turn()
        return waiter, json.loads(await Predictions(parts, Predictor()).predict("price", body))

    before = len(live.recorded())
    waiter, long = asyncio.run(both())
    if waiter is None:
        return
    assert [plain(reply) for reply in waiter.replies] == [plain(long)]
    made = [msgspec.structs.replace(event, id="") for event in live.recorded()[before:]]
    assert made[: len(made) // 2] == made[len(made) // 2 :]
    assert repr(made[: len(made) // 2]) == repr(made[len(made) // 2 :]), "to the sign of a zero"


def test_the_order_and_names_of_features_do_not_matter(desk: Any, quick_model: Any) -> None:
    features = (Feature("demand"), Feature("holi:day", "boolean"), Feature("zone", "category"))
    task = Task(name="price", kind="binary", target="up", features=features)
    desk.holder.current = Snapshot(1, {"price": Deployment(task, ServedModel(3, quick_model()))})
    body = json.dumps({"features": {"zone": "south", "holi:day": True, "demand": 4}}).encode()

    async def ask() -> bool:
        return Turns(desk.parts, Predictor()).take("price", body, Waiter())

    assert not asyncio.run(ask()), "a colon in a name is one too many"
