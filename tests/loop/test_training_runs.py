"""Each training is a run in the tracking store: once, whatever happens, and never in the way of the training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tropism.core.errors import NotReady
from tropism.entrypoints.tracking.finding import Shown, curves, find_run, list_runs, read_file
from tropism.loop.decide import Plan
from tropism.loop.observe import observe
from tropism.loop.train import train as train_again
from tropism.registry.tracking.training_runs import run_id_of
from tropism.training.runs.store import StoreSink

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.loop.conftest import World
else:
    World = Any


def runs_of(world: World) -> list[Shown]:
    return list_runs(world.platform.tracking, world.clock.now(), task="world")


def test_a_training_is_a_run_with_what_it_was_and_what_came_of_it(world: Callable[..., World]) -> None:
    made = world()
    made.live(300)
    result = made.cycle()
    (run,) = runs_of(made)
    assert (run.experiment, run.status, run.tags["tropism.version"]) == ("tropism/world", "FINISHED", "1")
    assert run.params["learner"] == "linear" and run.params["seed"] == "0"
    version = made.platform.registry.versions.get("world", 1)
    assert run.tags["tropism.artifact"] == version.artifact
    assert run.tags["tropism.why"] == "; ".join(result.reasons)
    assert run.metrics["loss"] == pytest.approx(version.metrics["loss"])
    assert run.metrics["baseline/majority"] == pytest.approx(version.metrics["baselines"]["majority"])
    assert version.job_id is not None and run.id == run_id_of(version.job_id)
    whole = find_run(made.platform.tracking, run.id[:8], made.clock.now())
    assert {"architecture.json", "architecture.txt", "losses.json", "plots/calibration.svg"} <= set(whole.files)
    text = read_file(made.platform.tracking, run.id, "architecture.txt").decode()
    assert "format: safetensors" in text and "parameters: " in text


def test_boosting_shows_its_loss_by_number_of_trees(world: Callable[..., World]) -> None:
    made = world()
    made.task = msgspec.structs.replace(made.task, learners=("lightgbm",))
    made.platform.registry.tasks.apply(made.task, made.clock.now())
    made.live(300)
    made.cycle()
    (run,) = runs_of(made)
    (curve,) = [one for one in curves(made.platform.tracking, run.id) if one.metric == "curve_brier"]
    assert curve.points[-1][0] == 100
    assert curve.points[-1][1] == pytest.approx(run.metrics["loss"])
    assert curve.points[0][1] > curve.points[-1][1]


def test_a_training_that_fails_is_a_failed_run_with_the_reason(world: Callable[..., World]) -> None:
    made = world()
    made.live(10)
    assert made.cycle(asked="ada").failure
    (run,) = runs_of(made)
    assert run.status == "FAILED"
    assert "labelled rows" in run.tags["tropism.failure"] and run.tags["tropism.why"] == "asked for by ada"


def test_a_training_that_is_repeated_makes_no_second_run(world: Callable[..., World]) -> None:
    made = world()
    made.live(300)
    seen = observe(made.services, made.task)
    plan = Plan(train=True, reasons=("a test",))
    twice = [train_again(made.services, made.task, seen, plan, "job-1") for _ in range(2)]
    assert twice[0].version == twice[1].version == 1
    (run,) = runs_of(made)
    assert (run.id, run.status) == (run_id_of("job-1"), "FINISHED")


def test_a_training_goes_on_where_its_run_cannot_be_written(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(self: StoreSink, run: object) -> None:
        raise NotReady("the store is away")

    monkeypatch.setattr(StoreSink, "start", away)
    made = world()
    made.live(300)
    assert made.cycle().trained == 1
    assert runs_of(made) == []
    assert "the training goes on" in caplog.text
