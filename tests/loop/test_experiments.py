"""Canaries and A/B tests through the real stores and the real cycle, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.clock import DAY, SECOND
from tropism.core.events import Outcome, Prediction, encode
from tropism.core.experiment import Experiment, Ramp, Variant
from tropism.core.identity import Identifiers, task_tag
from tropism.core.metric import Metric
from tropism.core.task import Gate, Policy, Triggers
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.loop.recompute import recompute
from tropism.registry import NewVersion
from tropism.serving.predictor import Predictor
from tropism.serving.requests import Ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.loop.conftest import World

QUIET = {"triggers": Triggers(new_outcomes=None, decay=None), "gate": Gate(max_outcomes=1_000_000)}


class Shop:
    """Visitors come all day, a model answers each, and what is true is known three seconds later.

    Version 1 knows what the truth follows, and is the champion; version 2 knows it backwards; version 3 knows it and
    nothing of the noise.
    """

    def __init__(self, world: World) -> None:
        self.world, self.registry = world, world.platform.registry
        self.rng = np.random.default_rng(3)
        for noise, sign in ((3.0, 1), (0.0, -1), (0.0, 1)):
            self._register(sign, noise)
        self.promote(1)
        self._load = world.platform.snapshot_loader()
        self._journal = world.platform.journal()
        self._ids = Identifiers()
        self.variants: list[str] = []
        self.spending: dict[str, float] = {}

    def promote(self, version: int) -> None:
        now, task = self.world.clock.now(), self.world.task
        champion = self.world.champion
        self.registry.promotion.promote(
            task.name, version, expected=champion, actor="me", decision_id=f"p{now}", policy=Policy(), now=now
        )

    def _register(self, sign: int, noise: float) -> None:
        rng, task, n = self.rng, self.world.task, 1_500
        a, b = rng.normal(size=(2, n))
        table = pa.table({"a": a, "b": b, "c": rng.choice(["x", "y", "z"], n)})
        labels = (sign * a + noise * rng.normal(size=n) > 0).astype(float)
        data = Dataset(table, labels, np.full(n, self.world.clock.now()), None)
        artifact = store(fit_model(task, "linear", data, seed=0), self.world.platform.blobs)
        new = NewVersion(model=task.name, artifact=artifact, learner="linear", window="all")
        self.registry.versions.register(new, now=self.world.clock.now())

    def day(self, visitors: int = 300) -> None:
        """A day passes; the loop looks once, at its end."""
        world, name = self.world, self.world.task.name
        deployment = self._load().deployment(name)
        start = (world.clock.now() // DAY + 1) * DAY
        for number in range(visitors):
            now = start + (number + 1) * (DAY // (visitors + 2))
            a, b = self.rng.normal(size=2)
            row: dict[str, Any] = {"a": float(a), "b": float(b), "c": "x"}
            ask = Ask(row, (), entity=f"visitor-{self.rng.integers(100_000)}")
            seat = next((seat for trial in deployment.trials if (seat := trial.seat(ask)) is not None), None)
            answer = Predictor().answer(deployment, [row], [now], seat)
            self.variants.append(answer.variant)
            made = self._ids.new(now, task_tag(name))
            prediction = Prediction(
                id=made,
                task=name,
                at=now,
                features=row,
                scores=answer.scores[0],
                version=answer.version,
                variant=answer.variant,
                entity=ask.entity,
            )
            late = now + 3 * SECOND
            truth = float(a + 0.5 * self.rng.normal() > 0)
            outcome = Outcome(
                id=self._ids.new(now, 0), task=name, value=truth, at=late, received=late, prediction_id=made
            )
            world.clock.set(late)
            self._journal.append([encode(prediction), encode(outcome), *self._spent(prediction, late)])
        world.clock.set(start + DAY + 60 * SECOND)
        world.cycle()

    def _spent(self, prediction: Prediction, late: int) -> list[bytes]:
        """An event that tells what a visitor spent: on average what `spending` says of the variant, no label."""
        mean = self.spending.get(prediction.variant)
        if mean is None:
            return []
        values = {"revenue": float(self.rng.normal(mean, 1.0))}
        own = Outcome(
            id=self._ids.new(late, 0),
            task=prediction.task,
            value=None,
            at=late,
            received=late,
            prediction_id=prediction.id,
            values=values,
        )
        return [encode(own)]

    def days(self, most: int) -> int:
        """Days until nothing runs any more, `most` at the most."""
        for passed in range(1, most + 1):
            self.day()
            if not self.registry.experiments.all(status="running"):
                return passed
        return most

    def start(self, version: int, **fields: Any) -> None:
        variants = (Variant(name="now"), Variant(name="new", version=version))
        ramp = Ramp(steps=(0.1, 0.5, 1.0), hold="1d")
        values: dict[str, Any] = {
            "name": "trial",
            "task": "world",
            "mode": "canary",
            "variants": variants,
            "min_units": 30,
        }
        values |= {"max_duration": "20d"} | ({"ramp": ramp} if "mode" not in fields else {})
        self.registry.experiments.put(Experiment(**(values | fields)), actor="me", now=self.world.clock.now())
        self.registry.experiments.start("trial", actor="me", now=self.world.clock.now())

    @property
    def trial(self) -> Any:
        return self.registry.experiments.get("trial")

    def decisions(self) -> list[Any]:
        kinds = [one.kind for one in self.registry.decisions.list("world") if one.evidence.get("comparison") == "split"]
        return kinds[::-1]


@pytest.fixture
def shop(world: Callable[..., World]) -> Shop:
    return Shop(world(**QUIET))


def test_a_better_canary_grows_and_is_promoted_on_evidence(shop: Shop) -> None:
    shop.start(3)
    shop.days(20)
    assert (shop.trial.ending, shop.world.champion) == ("promoted", 3), shop.trial.reason
    assert "advance" in shop.decisions() and shop.decisions()[-1] == "promote"
    assert {"trial/now", "trial/new"} <= set(shop.variants)
    (promoted,) = shop.registry.decisions.list("world", kind="promote")[:1]
    again = recompute(shop.world.services, promoted)
    assert again.agrees, again.reason
    assert promoted.evidence["analyses"]["new"][0]["verdict"] == "better"


def test_a_harmful_canary_is_stopped_while_few_see_it(shop: Shop) -> None:
    shop.start(2)
    shop.days(20)
    assert (shop.trial.ending, shop.world.champion) == ("harm", 1)
    assert "loss is worse" in shop.trial.reason
    assert shop.variants.count("trial/new") < 0.4 * len(shop.variants)
    before = len(shop.variants)
    shop.day()
    assert set(shop.variants[before:]) == {"champion"}


def test_an_equal_version_is_not_promoted_by_time(shop: Shop) -> None:
    shop.start(1, mode="ab", max_duration="4d")
    assert shop.days(10) <= 5
    assert (shop.trial.ending, shop.world.champion) == ("kept", 1)
    assert "promotes nothing" in shop.trial.reason


def test_a_promotion_by_hand_ends_what_compared_with_the_old_champion(shop: Shop) -> None:
    shop.start(3)
    shop.day()
    shop.promote(2)
    shop.day()
    assert shop.trial.ending == "superseded"
    assert "version 2 is the champion now" in shop.trial.reason


def test_where_people_decide_the_promotion_is_proposed(shop: Shop) -> None:
    shop.start(3, automatic=False)
    shop.days(12)
    assert (shop.trial.status, shop.world.champion) == ("running", 1)
    (asked,) = shop.registry.approvals.pending("world")
    assert asked.version == 3
    now = shop.world.clock.now()
    shop.registry.approvals.approve(asked.id, actor="ann", now=now)
    shop.registry.promotion.promote(
        "world", 3, expected=1, actor="ann", decision_id=asked.decision_id, policy=Policy(approval=True), now=now
    )
    shop.day()
    assert (shop.trial.ending, shop.world.champion) == ("promoted", 3)


def test_a_proposal_is_made_once_and_a_no_ends_the_experiment(shop: Shop) -> None:
    shop.start(3, automatic=False)
    shop.days(8)
    (asked,) = shop.registry.approvals.pending("world")
    shop.registry.approvals.refuse(asked.id, actor="ann", now=shop.world.clock.now())
    shop.day()
    assert (shop.trial.ending, shop.world.champion) == ("kept", 1)
    assert "ann refused" in shop.trial.reason
    assert shop.registry.approvals.pending("world") == ()
    assert shop.decisions().count("promote") == 1


def test_a_guardrail_that_may_be_broken_holds_a_better_version_back(shop: Shop) -> None:
    loss, rate = Metric(name="loss", role="decision"), Metric(name="ups", of="outcome", role="guardrail", margin=0.001)
    shop.start(3, metrics=(loss, rate), max_duration="8d")
    shop.days(10)
    assert (shop.trial.ending, shop.world.champion) == ("kept", 1)
    assert "may be worse than allowed" in shop.trial.reason


def test_what_outcomes_carry_decides_and_trains_nothing(shop: Shop) -> None:
    shop.spending = {"trial/now": 5.0, "trial/new": 6.0}
    metrics = (Metric(name="revenue", of="revenue", goal="increase", role="decision"),)
    shop.start(3, mode="ab", metrics=metrics)
    shop.days(5)
    assert shop.trial.ending == "promoted", shop.trial.reason
    (promoted,) = shop.registry.decisions.list("world", kind="promote")[:1]
    assert promoted.evidence["reason"] == "revenue is better"
    again = recompute(shop.world.services, promoted)
    assert again.agrees, again.reason
    counts = shop.world.services.cohorts.counts(shop.world.task, shop.world.clock.now())
    assert counts.outcomes == counts.predictions == counts.answered


def test_looks_that_find_nothing_new_are_not_stored(shop: Shop) -> None:
    shop.start(1, mode="ab")
    for _ in range(2):
        shop.day()
        stored = len(shop.decisions())
        for _ in range(3):
            shop.world.clock.set(shop.world.clock.now() + 3_600 * SECOND)
            shop.world.cycle()
        assert len(shop.decisions()) == stored
    assert shop.decisions() == ["wait", "wait"]
    for one in shop.registry.decisions.list("world", kind="wait"):
        assert recompute(shop.world.services, one).agrees
