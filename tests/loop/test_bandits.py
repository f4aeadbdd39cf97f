"""Bandits through the real registry, data plane, lake and cycle, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tropism.core.bandit import BanditSettings
from tropism.core.clock import DAY, SECOND
from tropism.core.events import Outcome, Prediction, encode
from tropism.core.experiment import Experiment, Variant
from tropism.core.identity import Identifiers, task_tag
from tropism.core.metric import Metric
from tropism.core.task import Gate, Policy, Triggers
from tropism.feedback.schemas import PREDICTIONS, predictions_name
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.loop.recompute import recompute
from tropism.registry import NewVersion
from tropism.serving.predictor import Predictor
from tropism.serving.requests import Ask
from tropism.serving.trials import seated

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.loop.conftest import World

QUIET = {"triggers": Triggers(new_outcomes=None, decay=None), "gate": Gate(max_outcomes=1_000_000)}
GOOD, BAD, LEFT = (1, 1), (-1, -1), (1, -1)
"""Which way a model thinks that `a` points, where `b` is negative and where it is positive."""


class Shop:
    """Visitors come all day, a model answers each, and what is true is known three seconds later. Half of them are of
    a kind that is told by `b`; `truth` says which way `a` points for each kind."""

    def __init__(self, world: World, *models: tuple[int, int], truth: tuple[int, int] = GOOD) -> None:
        self.world, self.registry, self.truth = world, world.platform.registry, truth
        self.rng = np.random.default_rng(5)
        for model in models:
            self._register(model)
        now = world.clock.now()
        self.registry.promotion.promote(
            "world", 1, expected=None, actor="me", decision_id="p", policy=Policy(), now=now
        )
        self._load = world.platform.snapshot_loader()
        self._journal = world.platform.journal()
        self._ids = Identifiers()

    def _register(self, model: tuple[int, int]) -> None:
        rng, n = self.rng, 1_500
        a, b = rng.normal(size=(2, n))
        sign = np.where(b < 0, *model)
        labels = (sign * a > 0).astype(float)
        table = pa.table({"a": a, "b": b, "c": rng.choice(["x", "y", "z"], n)})
        data = Dataset(table, labels, np.full(n, self.world.clock.now()), None)
        learner = "linear" if model[0] == model[1] else "boosting"
        artifact = store(fit_model(self.world.task, learner, data, seed=0), self.world.platform.blobs)
        new = NewVersion(model="world", artifact=artifact, learner=learner, window="all")
        self.registry.versions.register(new, now=self.world.clock.now())

    def start(self, *versions: int, **fields: Any) -> None:
        weight = 1 / (1 + len(versions))
        own = [Variant(name=f"v{version}", version=version, weight=weight) for version in versions]
        values: dict[str, Any] = {"name": "trial", "task": "world", "mode": "bandit", "min_units": 50}
        values |= {"variants": (Variant(name="now", weight=weight), *own), "max_duration": "20d"}
        now = self.world.clock.now()
        self.registry.experiments.put(Experiment(**(values | fields)), actor="me", now=now)
        self.registry.experiments.start("trial", actor="me", now=now)

    def day(self, visitors: int = 240) -> None:
        """A day passes; the loop looks once, at its end."""
        world = self.world
        deployment = self._load().deployment("world")
        start = (world.clock.now() // DAY + 1) * DAY
        for number in range(visitors):
            now = start + (number + 1) * (DAY // (visitors + 2))
            a, b = self.rng.normal(size=2)
            row: dict[str, Any] = {"a": float(a), "b": float(b), "c": "x"}
            ask = Ask(row, (), entity=f"visitor-{self.rng.integers(400)}")
            places, chances = seated(deployment.trials, [ask])
            answer = Predictor().answer(deployment, [row], [now], next(iter(places)))
            sign = self.truth[0] if b < 0 else self.truth[1]
            self._record(ask, now, answer, chances[0], float(sign * a + 0.3 * self.rng.normal() > 0))
        world.clock.set(start + DAY + 60 * SECOND)
        world.cycle()

    def _record(self, ask: Ask, now: int, answer: Any, propensity: float | None, truth: float) -> None:
        made = self._ids.new(now, task_tag("world"))
        prediction = Prediction(
            id=made,
            task="world",
            at=now,
            features=ask.row,
            scores=answer.scores[0],
            version=answer.version,
            variant=answer.variant,
            entity=ask.entity,
            propensity=propensity,
        )
        late = now + 3 * SECOND
        outcome = Outcome(
            id=self._ids.new(now, 0), task="world", value=truth, at=late, received=late, prediction_id=made
        )
        self.world.clock.set(late)
        self._journal.append([encode(prediction), encode(outcome)])

    @property
    def trial(self) -> Any:
        return self.registry.experiments.get("trial")

    def rows(self) -> pa.Table:
        """What the lake has of the experiment's predictions."""
        schema = pa.schema([PREDICTIONS.field(name) for name in ("at", "variant", "propensity")])
        table = self.world.platform.lake.read(predictions_name("world"), schema=schema)
        return table.filter(pc.starts_with(table["variant"], "trial/"))


def shop(world: Callable[..., World], *models: tuple[int, int], truth: tuple[int, int] = GOOD) -> Shop:
    return Shop(world(**QUIET), *models, truth=truth)


def test_shares_move_to_what_does_better_and_it_is_promoted_on_evidence(world: Callable[..., World]) -> None:
    live = shop(world, BAD, GOOD)
    live.start(2)
    live.day()
    live.day()
    (moved, *_) = live.registry.bandits.history("trial")
    assert moved.shares["v2"] > 0.8 and moved.rows > 100
    for _ in range(6):
        if live.trial.status == "running":
            live.day()
    assert (live.trial.ending, live.world.champion) == ("promoted", 2), live.trial.reason
    (decision,) = live.registry.decisions.list("world", kind="promote")[:1]
    again = recompute(live.world.services, decision)
    assert again.agrees, again.reason


def test_propensities_are_in_the_lake_and_are_the_shares_that_were_published(world: Callable[..., World]) -> None:
    live = shop(world, BAD, GOOD)
    live.start(2, min_units=100_000)
    for _ in range(4):
        live.day()
    shares = [{"now": 0.5, "v2": 0.5}, *(one.shares for one in live.registry.bandits.history("trial"))]
    assert len(shares) > 1
    allowed = {(f"trial/{name}", share) for one in shares for name, share in one.items()}
    table = live.rows()
    seen = set(zip(table["variant"].to_pylist(), table["propensity"].to_pylist(), strict=True))
    assert seen <= allowed and len(seen) > 2
    waits = [one for one in live.registry.decisions.list("world") if one.evidence.get("comparison") == "bandit"]
    assert recompute(live.world.services, waits[0]).agrees
    everybody = waits[0].evidence["everybody"]
    assert everybody["v2"]["high"] < everybody["now"]["low"]  # the loss that everybody would have had
    assert not waits[0].evidence["split"]["mismatch"]


def test_an_equal_version_is_kept_out_when_the_time_is_over(world: Callable[..., World]) -> None:
    live = shop(world, GOOD, GOOD)
    live.start(2, max_duration="4d")
    for _ in range(6):
        if live.trial.status == "running":
            live.day(100)
    assert (live.trial.ending, live.world.champion) == ("kept", 1)
    assert "promotes nothing" in live.trial.reason


def test_where_all_treatments_are_worse_the_control_is_kept(world: Callable[..., World]) -> None:
    live = shop(world, GOOD, BAD)
    live.start(2)
    for _ in range(6):
        if live.trial.status == "running":
            live.day()
    assert (live.trial.ending, live.world.champion) == ("kept", 1)
    assert "loss is worse" in live.trial.reason


def test_a_variant_that_breaks_a_guardrail_has_the_floor_and_no_more(world: Callable[..., World]) -> None:
    """By the metric that decides, being asked often, it would have most."""
    live = shop(world, GOOD, BAD, GOOD)
    deciding = Metric(name="ups", of="predictions", goal="increase", role="decision")
    live.start(2, 3, metrics=(deciding, Metric(name="loss", role="guardrail", margin=0.01)), max_duration="9d")
    for _ in range(4):
        live.day()
    newest = live.registry.bandits.history("trial")[-1]
    assert (newest.least, newest.shares["v2"], live.trial.status) == (("v2",), 0.05, "running")


@pytest.mark.parametrize("policy", ["linucb", "best-per-context"])
def test_each_context_gets_the_model_that_is_best_in_it(world: Callable[..., World], policy: Any) -> None:
    live = shop(world, GOOD, BAD, truth=LEFT)
    live.start(2, bandit=BanditSettings(policy=policy, features=("b",)), min_units=100_000)
    for _ in range(4):
        live.day()
    deployment = live._load().deployment("world")
    (running,) = deployment.trials
    shares = [running.assigner.shares({"b": b}).tolist() for b in (-1.5, 1.5)]  # type: ignore[attr-defined]
    assert shares == [[0.95, 0.05], [0.05, 0.95]]
    waits = [one for one in live.registry.decisions.list("world") if one.evidence.get("comparison") == "bandit"]
    evidence = waits[0].evidence
    assert all(one["low"] > 0 for one in evidence["gains"].values()), evidence["gains"]
    assert recompute(live.world.services, waits[0]).agrees
