from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.serving.test_trials import trial

from tropism.core.experiment import Namespace, Variant
from tropism.serving import Deployment, LiveTask, ServedModel, Snapshot, SnapshotLoader
from tropism.serving.mirroring import Mirror, Mirroring
from tropism.serving.options import PLAIN, PredictOptions
from tropism.serving.predictions import Predictions
from tropism.serving.predictor import Predictor
from tropism.serving.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.core.task import Task

LABELS = ("price", "deeper", "new")


def mirrored(task: Task, control: Any, treatment: Any, **given: Any) -> Deployment:
    spec = trial(0, mode="mirrored", **given)
    return Deployment(task, ServedModel(1, control), mirrors=(Mirror.of(spec, {"new": ServedModel(2, treatment)}),))


class Site:
    """A data plane's predictions, with what mirrors them."""

    def __init__(self, desk: Any, live: Deployment, most: int = 1_000) -> None:
        desk.holder.current = Snapshot(1, {"price": live})
        self.meters = desk.meters
        self.mirroring = Mirroring(desk.meters, most=most)
        self._parts = desk.parts._replace(mirroring=self.mirroring)

    def ask(self, *demands: float, options: PredictOptions = PLAIN) -> list[dict[str, Any]]:
        """Replies to one request by the long way."""
        rows = [{"features": {"demand": one, "zone": "north"}, "entity": "anna"} for one in demands]
        body = asyncio.run(Predictions(self._parts).predict("price", json.dumps({"instances": rows}).encode(), options))
        return list(json.loads(body)["predictions"])

    def ask_shortly(self, body: dict[str, Any]) -> dict[str, Any]:
        """The reply to a request that must go the short way."""

        async def asked() -> bytes:
            turns, told = Turns(self._parts, Predictor()), asyncio.get_running_loop().create_future()

            class Caller:
                def reply(self, body: bytes) -> None:
                    told.set_result(body)

                def refuse(self, error: Exception) -> None:
                    told.set_exception(error)

                def ask_long(self) -> None:
                    told.set_exception(AssertionError("the long way"))

            assert turns.take("price", json.dumps(body).encode(), Caller())
            return bytes(await told)

        return dict(json.loads(asyncio.run(asked())))

    def rows(self) -> dict[str, int]:
        assert self.mirroring.drain()
        return {labels[3]: count for labels, count in self.meters.mirrored.values.items()}


def test_the_control_answers_and_the_treatment_is_compared(desk: Any, price: Task, stub_model: Any) -> None:
    site = Site(desk, mirrored(price, stub_model(0.2), stub_model(0.7)))
    replies = site.ask(1.0, 2.0, 3.0)
    assert [(one["version"], one["probabilities"]["true"]) for one in replies] == [(1, 0.2)] * 3
    assert site.rows() == {"answered": 3}
    assert site.meters.mirrored_differing.values == {LABELS: 3}
    assert site.meters.mirrored_difference.sums[LABELS] == pytest.approx(1.5)
    assert site.meters.mirrored_largest[LABELS] == pytest.approx(0.5)
    assert sum(site.meters.mirrored_latency.counts[LABELS]) == 1
    recorded = desk.recorded()
    assert [(one.variant, one.version, one.scores) for one in recorded] == [("champion", 1, (0.2,))] * 3


def test_requests_keep_the_short_way(desk: Any, price: Task, quick_model: Any, stub_model: Any) -> None:
    site = Site(desk, mirrored(price, quick_model(), stub_model(0.9)))
    reply = site.ask_shortly({"features": {"demand": 3.0, "zone": "south", "holiday": True}, "entity": "ben"})
    assert (reply["version"], reply["probabilities"]["true"]) == (1, 0.3)
    assert site.rows() == {"answered": 1}
    assert site.meters.mirrored_largest[LABELS] == pytest.approx(0.6)


def test_a_treatment_that_fails_harms_no_reply_and_each_failing_row_counts_once(
    desk: Any, price: Task, stub_model: Any
) -> None:
    class Picky(stub_model):  # type: ignore[misc]
        def predict_rows(self, rows: Any, at: Any = None) -> Any:
            if any(row["demand"] > 2 for row in rows):
                raise RuntimeError("too much demand")
            return super().predict_rows(rows, at)

    site = Site(desk, mirrored(price, stub_model(0.2), Picky(0.2)))
    assert [one["version"] for one in site.ask(1.0, 2.0, 3.0)] == [1, 1, 1]
    assert [one["degraded"] for one in site.ask(5.0)] == [[]]
    assert site.rows() == {"answered": 2, "failed": 2}


def test_impossible_scores_are_failures(desk: Any, price: Task, stub_model: Any) -> None:
    site = Site(desk, mirrored(price, stub_model(0.2), stub_model(7.0)))
    site.ask(1.0)
    assert site.rows() == {"failed": 1}


def test_a_slow_treatment_holds_up_nobody_and_what_does_not_fit_is_dropped(
    desk: Any, price: Task, stub_model: Any
) -> None:
    """The treatment does not answer at all until every reply is there."""
    free, inside = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        assert free.wait(30)

    site = Site(desk, mirrored(price, stub_model(0.2), stub_model(0.7, act=wait)), most=5)
    site.ask(1.0)
    assert inside.wait(30)
    for _ in range(4):
        assert [one["version"] for one in site.ask(1.0, 2.0)] == [1, 1]
    assert site.meters.mirrored_dropped.values == {LABELS: 4}
    assert site.meters.mirrored.values == {}
    free.set()
    assert site.rows() == {"answered": 5}


def test_who_is_left_out_is_not_mirrored(desk: Any, price: Task, stub_model: Any) -> None:
    rule = mirrored(price, stub_model(0.2), stub_model(0.7), targeting="demand > 2")
    site = Site(desk, rule)
    site.ask(1.0, 2.0, 3.0)
    assert site.rows() == {"answered": 1}
    kept = Mirror.of(trial(0, mode="mirrored", holdout=0.4), {})
    taken = sum(kept.takes({}, f"user-{number}", None) for number in range(2_000))
    assert 1_100 < taken < 1_300
    assert not kept.takes({}, None, "a unit of another field")
    half = Mirror.of(trial(0, mode="mirrored", namespace=Namespace(name="n", start=0, end=0.5)), {})
    assert 900 < sum(half.takes({}, f"user-{number}", None) for number in range(2_000)) < 1_100


def test_rows_that_the_control_failed_to_answer_count_as_its_failures(desk: Any, price: Task, stub_model: Any) -> None:
    def fail() -> None:
        raise RuntimeError("out of cheese")

    site = Site(desk, mirrored(price, stub_model(0.2, act=fail), stub_model(0.7)))
    assert site.ask(1.0, 2.0)[0]["degraded"] == ["champion-failed"]
    assert site.meters.mirrored_control.values == {LABELS: 2}
    assert site.rows() == {}


def test_pinned_rows_are_not_mirrored(desk: Any, price: Task, stub_model: Any) -> None:
    site = Site(desk, mirrored(price, stub_model(0.2), stub_model(0.7)))
    site.ask(1.0, options=PredictOptions(version=1))
    assert site.rows() == {}


def test_once_closed_rows_are_dropped_and_the_thread_ends(desk: Any, price: Task, stub_model: Any) -> None:
    site = Site(desk, mirrored(price, stub_model(0.2), stub_model(0.7)))
    site.ask(1.0)
    assert site.rows() == {"answered": 1}
    site.mirroring.close()
    site.ask(1.0)
    assert site.meters.mirrored_dropped.values == {LABELS: 1}


def loader(price: Task, fetched: Callable[[int], Any], *modes: str, **live: Any) -> SnapshotLoader:
    trials = tuple(
        trial(0, name=f"e{place}", mode=mode, variants=(Variant(name="now"), Variant(name="new", version=2)))
        for place, mode in enumerate(modes)
    )
    facts = LiveTask(price, champion=1, trials=trials, **live)
    return SnapshotLoader(lambda: 1, lambda: [facts], lambda _, version: fetched(version))


def test_treatments_are_loaded_where_they_are_mirrored_only(price: Task, quick_model: Any) -> None:
    asked: list[int] = []

    def fetched(version: int) -> Any:
        asked.append(version)
        return quick_model()

    shadow = loader(price, fetched, "shadow")().deployment("price")
    assert (asked, shadow.mirrors, shadow.trials) == ([1], (), ())
    assert shadow.lane is not None
    load = loader(price, fetched, "mirrored")
    first = load().deployment("price")
    assert (asked, list(first.mirrors[0].models)) == ([1, 1, 2], ["new"])
    assert first.lane is not None and first.trials == ()
    assert load().deployment("price") is first


def test_a_treatment_that_cannot_be_loaded_or_is_in_quarantine_is_sent_nothing(price: Task, quick_model: Any) -> None:
    def fetched(version: int) -> Any:
        if version == 2:
            raise OSError("gone")
        return quick_model()

    snapshot = loader(price, fetched, "mirrored")()
    assert (snapshot.incomplete, snapshot.deployment("price").mirrors[0].models) == (True, {})
    quarantined = loader(price, lambda _: quick_model(), "mirrored", quarantined=frozenset({2}))()
    assert (quarantined.incomplete, quarantined.deployment("price").mirrors[0].models) == (False, {})
