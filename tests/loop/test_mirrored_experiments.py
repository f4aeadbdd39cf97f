"""Experiments whose treatments are sent what the control answers: real requests, stores and cycle, in virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.loop.test_experiments import QUIET, Shop
from tests.loop.test_shadow_experiments import begin, open_of

from tropism.core.clock import DAY, SECOND
from tropism.core.identity import Identifiers
from tropism.entrypoints.cli.show_beside import beside_so_far, print_beside
from tropism.loop.mirrored import Live, harm, live_figures
from tropism.loop.recompute import recompute
from tropism.serving import HttpSettings, ServedModel, Snapshot, SnapshotHolder
from tropism.serving.measuring import Measuring
from tropism.serving.meters import Meters
from tropism.serving.mirroring import Mirror, Mirroring
from tropism.serving.outcomes import Outcomes
from tropism.serving.parts import Parts
from tropism.serving.predictions import Predictions
from tropism.serving.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.loop.conftest import World


class Plane:
    """A data plane of a shop. A mirrored treatment does `act`, which is told its version, before it answers."""

    def __init__(self, shop: Shop, act: Callable[[int], object] = lambda _: None, most: int = 1_000) -> None:
        self.shop, self.world, self.act = shop, shop.world, act
        self.meters, self.holder = Meters(), SnapshotHolder()
        self.mirroring = Mirroring(self.meters, most=most)
        journal, clock = self.world.platform.journal(), self.world.clock
        recorder = Recorder(journal, self.meters)
        parts = Parts(self.holder, recorder, clock, Identifiers(), HttpSettings(), self.meters)
        self._predictions = Predictions(parts._replace(mirroring=self.mirroring))
        self._outcomes = Outcomes(parts)
        self._load = self.world.platform.snapshot_loader()
        self._measuring = Measuring(self.meters, journal, clock, "plane")
        self.replies: list[dict[str, Any]] = []

    def day(self, visitors: int = 200) -> None:
        """A day of requests; what was measured is journaled and the loop looks, at its end."""
        self.follow()
        start = (self.world.clock.now() // DAY + 1) * DAY
        for number in range(visitors):
            self.world.clock.set(start + (number + 1) * (DAY // (visitors + 2)))
            asyncio.run(self.visit())
        self.world.clock.set(start + DAY - SECOND)
        assert self.mirroring.drain()
        self._measuring.measure()
        self.world.clock.set(start + DAY + 60 * SECOND)
        self.world.cycle()

    async def visit(self) -> None:
        a, b = (float(one) for one in self.shop.rng.normal(size=2))
        body = json.dumps({"features": {"a": a, "b": b, "c": "x"}}).encode()
        reply = json.loads(await self._predictions.predict("world", body))
        self.replies.append(reply)
        truth = bool(a + 0.5 * self.shop.rng.normal() > 0)
        outcome = {"prediction_id": reply["prediction_id"], "outcome": truth}
        await self._outcomes.accept(json.dumps(outcome).encode())

    def follow(self) -> None:
        """What a watcher does, with treatments that do as they are told."""
        live = self._load().deployment("world")
        plane = self

        class Acting:
            def __init__(self, served: ServedModel) -> None:
                self.version, self.model, self.encoding = served.version, served.model, served.model.encoding

            def predict_rows(self, rows: Any, at: Any = None) -> Any:
                plane.act(self.version)
                return self.model.predict_rows(rows, at)

        mirrors = tuple(
            Mirror.of(one.trial, {name: ServedModel(m.version, Acting(m)) for name, m in one.models.items()})
            for one in live.mirrors
        )
        self.holder.current = Snapshot(1, {"world": dataclasses.replace(live, mirrors=mirrors)})


@pytest.fixture
def shop(world: Callable[..., World]) -> Shop:
    return Shop(world(**QUIET, min_training=1_000_000))


def test_a_better_version_is_promoted_after_it_was_sent_what_the_control_answered(shop: Shop) -> None:
    begin(shop, 3, mode="mirrored", max_duration="30d")
    plane = Plane(shop)
    for _ in range(12):
        plane.day(300)
        if shop.trial.status == "ended":
            break
    assert (shop.trial.ending, shop.world.champion) == ("promoted", 3), shop.trial.reason
    assert {one["version"] for one in plane.replies} == {1}
    decision = shop.registry.decisions.get(shop.trial.decision_id)
    live = decision.evidence["live"]
    assert (live["rows"], live["failures"], live["dropped"]) == (len(plane.replies), 0, 0)
    assert 0 < live["differing"] < live["rows"] and 0 < live["difference"] < live["largest"] <= 1
    assert recompute(shop.world.services, decision).agrees
    assert open_of(shop) == []


def test_a_treatment_that_crashes_harms_no_reply_and_is_stopped(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    def crash(version: int) -> None:
        raise RuntimeError(f"version {version} is out of cheese")

    begin(shop, 3, mode="mirrored")
    plane = Plane(shop, crash)
    plane.day()
    assert (shop.trial.ending, shop.world.champion) == ("harm", 1), shop.trial.reason
    assert "200 of 200 rows failed" in shop.trial.reason
    assert {(one["version"], tuple(one["degraded"])) for one in plane.replies} == {(1, ())}
    (stopped,) = shop.registry.decisions.list("world", kind="reject")
    assert (stopped.version, stopped.evidence["harm"]) == (3, True)
    assert open_of(shop) == []
    shown = beside_so_far(shop.world.platform, shop.trial)
    assert shown is not None
    assert (shown["v3"]["status"], shown["v3"]["live"]["failures"]) == ("lost", 200)
    print_beside(shown)
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == ["v3", "lost", "200", "200"]
    plane.day()
    assert plane.meters.mirrored.values == {("world", "trial", "v3", "failed"): 200}


def test_one_of_several_that_fails_is_sent_nothing_more_while_the_others_go_on(shop: Shop) -> None:
    def crash(version: int) -> None:
        if version == 2:
            raise RuntimeError("out of cheese")

    begin(shop, 2, 3, mode="mirrored", min_units=100_000, max_duration="30d")
    plane = Plane(shop, crash)
    plane.day(60)
    assert (shop.trial.status, [one.challenger for one in open_of(shop)]) == ("running", [3])
    plane.day(60)
    assert plane.meters.mirrored.values == {
        ("world", "trial", "v2", "failed"): 60,
        ("world", "trial", "v3", "answered"): 120,
    }
    assert shop.registry.audit.list(50) and shop.trial.versions == {"now": 1, "v3": 3}


def test_replies_do_not_wait_for_a_slow_treatment(shop: Shop) -> None:
    """It answers nothing until 50 replies are there; what has no room is dropped, and told."""
    free = threading.Event()
    begin(shop, 3, mode="mirrored", min_units=100_000)
    plane = Plane(shop, lambda _: free.wait(30), most=10)
    plane.follow()
    for _ in range(50):
        asyncio.run(plane.visit())
    assert [one["version"] for one in plane.replies] == [1] * 50
    assert plane.meters.mirrored.values == {}
    dropped = plane.meters.mirrored_dropped.values["world", "trial", "v3"]
    assert dropped in (39, 40)
    free.set()
    assert plane.mirroring.drain()
    plane.day(20)
    figures = live_figures(shop.world.services.cohorts, shop.trial, shop.world.clock.now())["v3"]
    assert figures.dropped >= dropped
    assert figures.rows + figures.dropped == len(plane.replies)


def test_a_treatment_much_slower_than_the_control_is_harm() -> None:
    fast, slow = [0] * 52, [0] * 52
    fast[12], slow[45] = 400, 400
    usual: dict[str, Any] = {"rows": 400, "control_p99": 0.002}
    assert harm(Live(**usual, calls=fast), 0.05) == ""
    assert "400 of 400 calls took longer than 50 ms" in harm(Live(**usual, calls=slow), 0.05)
    assert harm(Live(rows=400, control_p99=1.0, calls=slow), 0.05) == ""
    assert harm(Live(rows=400, calls=slow), 0.05) == ""
