from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from tests.unit.serving.test_trials import asked, trial

from tropism.core.bandit import BanditSettings, Revision
from tropism.experiments.bandits.contexts import Column, Contexts
from tropism.experiments.bandits.revisions import learned
from tropism.serving import Deployment, LiveTask, ServedModel, SnapshotLoader
from tropism.serving.bandits import RunningBandit

if TYPE_CHECKING:
    import pytest

    from tropism.core.task import Task


def bandit(task: Task, stub_model: Any, revision: Revision | None = None, **given: Any) -> Deployment:
    one = trial(0, mode="bandit", **given)
    running = RunningBandit.of(one, {"new": ServedModel(2, stub_model(0.9))}, revision)
    return Deployment(task, ServedModel(1, stub_model(0.1)), trials=(running,))


def shared(**shares: float) -> Revision:
    return Revision(number=3, at=1, learned_until=1, rows=100, shares=shares)


def test_predictions_are_recorded_with_their_propensity(desk: Any, price: Task, stub_model: Any) -> None:
    units = [f"unit-{number}" for number in range(200)]
    live = bandit(price, stub_model, shared(now=0.2, new=0.8))
    for first in range(0, 200, 5):
        asked(desk, live, *units[first : first + 5])
    found = {(event.variant, event.propensity, event.version) for event in desk.recorded()}
    assert found == {("deeper/now", 0.2, 1), ("deeper/new", 0.8, 2)}
    new = sum(event.variant == "deeper/new" for event in desk.recorded())
    assert 140 <= new <= 180


def test_before_anything_is_learned_the_weights_are_the_shares(desk: Any, price: Task, stub_model: Any) -> None:
    asked(desk, bandit(price, stub_model), "anna", "ben", "cleo", "dirk")
    assert {event.propensity for event in desk.recorded()} == {0.5}


def test_a_row_without_a_unit_takes_no_part(desk: Any, price: Task, stub_model: Any) -> None:
    asked(desk, bandit(price, stub_model, shared(now=0.2, new=0.8)), None)
    assert [(event.variant, event.propensity) for event in desk.recorded()] == [("champion", None)]


def test_the_holdout_is_the_same_in_every_revision(price: Task, stub_model: Any) -> None:
    def out(number: int) -> set[str]:
        revision = msgspec.structs.replace(shared(now=0.5, new=0.5), number=number)
        (running,) = bandit(price, stub_model, revision, holdout=0.2).trials
        units = [f"unit-{one}" for one in range(500)]
        return {one for one in units if running.assigner.assign(one, {}).variant is None}  # type: ignore[attr-defined]

    assert out(1) == out(2) and 60 <= len(out(1)) <= 140


def test_each_revision_draws_anew_whatever_a_unit_had(price: Task, stub_model: Any) -> None:
    got = []
    for number in (1, 2):
        revision = msgspec.structs.replace(shared(now=0.5, new=0.5), number=number)
        (running,) = bandit(price, stub_model, revision).trials
        units = [f"unit-{one}" for one in range(2_000)]
        got.append([running.assigner.assign(one).variant for one in units])  # type: ignore[attr-defined]
    same = sum(before == after for before, after in zip(*got, strict=True))
    assert 900 <= same <= 1_100


def test_rows_of_different_contexts_go_to_different_models_with_their_propensities(
    desk: Any, price: Task, stub_model: Any
) -> None:
    made = Contexts(columns=(Column(name="demand"),))
    table = made.of_many({"demand": [-1.0, -1.0, 1.0, 1.0] * 20}, 80)
    settings = BanditSettings(policy="best-per-context")
    choosing, _ = learned(settings, made, table, [0, 1, 0, 1] * 20, np.array([1.0, 0.0, 0.0, 1.0] * 20), 2)
    revision = msgspec.structs.replace(shared(now=0.5, new=0.5), choosing=msgspec.to_builtins(choosing))
    live = bandit(price, stub_model, revision, bandit=settings)
    for first in range(0, 60, 5):
        asked(desk, live, *(f"unit-{first + number}" for number in range(5)))  # all of them have a demand of 1
    found = [(event.variant, event.propensity) for event in desk.recorded()]
    assert set(found) <= {("deeper/new", 0.95), ("deeper/now", 0.05)}
    assert found.count(("deeper/new", 0.95)) >= 50


def test_a_state_that_cannot_be_read_leaves_the_mean_shares(
    desk: Any, price: Task, stub_model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    revision = msgspec.structs.replace(shared(now=0.2, new=0.8), choosing={"contexts": 7})
    asked(desk, bandit(price, stub_model, revision), "anna")
    assert {event.propensity for event in desk.recorded()} <= {0.2, 0.8}
    assert "goes by its mean shares" in caplog.text


def test_the_loader_takes_a_new_revision_and_keeps_an_old_one(price: Task, stub_model: Any) -> None:
    one, newest = trial(0, mode="bandit"), {"deeper": shared(now=0.2, new=0.8)}

    def live() -> list[LiveTask]:
        return [LiveTask(price, champion=1, trials=(one,), bandits=dict(newest))]

    loader = SnapshotLoader(lambda: 1, live, lambda task, version: stub_model(0.5))
    first, again = loader().deployments["price"], loader().deployments["price"]
    assert again is first
    newest["deeper"] = msgspec.structs.replace(newest["deeper"], number=4)
    assert loader().deployments["price"] is not first
