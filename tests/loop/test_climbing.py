"""Where levels are declared, a version that won comes up them by its gates, and becomes the champion at their top."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from tropism.core.clock import DAY
from tropism.core.governance import Governance, IntegrationGate, Level, MetricGate, SecurityGate, TimeGate
from tropism.core.task import Triggers
from tropism.loop.climbing import explain, held
from tropism.loop.gate_jobs import run_gate_job
from tropism.loop.gating import Gating
from tropism.registry.gate_runs import GateRuns
from tropism.registry.levels import Levels

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.loop.conftest import World

LEVELS = Governance(
    levels=(
        Level(name="staging", gates=(IntegrationGate(),)),
        Level(name="production", gates=(SecurityGate(), TimeGate(least="1d")), single=True),
    )
)


@pytest.fixture
def ruled(world: Callable[..., World]) -> World:
    """A task with levels, and a first model that is better than any baseline."""
    made = world(triggers=Triggers(new_outcomes=None, decay=None))
    made.task = msgspec.structs.replace(made.task, governance=LEVELS)
    made.platform.registry.tasks.apply(made.task, made.clock.now())
    made.live(250)
    made.cycle(asked="me")
    return made


def run_jobs(world: World) -> int:
    """What a worker does with the gates that were asked for; how many jobs there were."""
    parts = world.platform
    gating = Gating(parts.registry, parts.lake, parts.cohorts, parts.blobs, parts.clock)
    done = 0
    while (job := parts.registry.jobs.claim(("gates",), "me", parts.real.now())) is not None:
        run_gate_job(gating, job, "me", parts.real)
        done += 1
    return done


def why(world: World) -> str:
    return explain(world.platform.registry, "world", 1, world.clock.now())


def test_a_winner_comes_up_the_levels_by_its_gates_and_is_promoted_at_the_top(ruled: World) -> None:
    registry = ruled.platform.registry
    levels = Levels(registry.db)
    assert "champion" not in registry.aliases.all("world")
    assert why(ruled) == "the gates of 'staging' are being run"
    ruled.cycle()
    assert run_jobs(ruled) == 1, "the gates are asked for once"
    ruled.cycle()
    assert levels.get("world", 1).level == "staging"
    assert why(ruled) == "'production': 1d more on 'staging'"
    assert (run_jobs(ruled), [one.version for one in held(registry, "world")]) == (0, [1])
    ruled.clock.set(ruled.clock.now() + DAY)
    ruled.cycle()
    assert run_jobs(ruled) == 1
    ruled.cycle()
    assert (ruled.champion, levels.get("world", 1).level) == (1, "production")
    (promoted,) = registry.decisions.list("world", kind="promote")
    assert promoted.effect is not None and promoted.evidence["held"] == "the gates of 'staging' are being run"
    assert (held(registry, "world"), why(ruled)) == ((), "")
    assert registry.audit.verify() == ()


def test_a_run_that_was_cancelled_is_not_asked_for_again(ruled: World) -> None:
    registry = ruled.platform.registry
    (job,) = [one for one in registry.jobs.list("world") if one.kind == "gates"]
    registry.jobs.cancel(job.id, 1)
    ruled.cycle()
    assert run_jobs(ruled) == 0
    assert "was cancelled; run them: tropism gates world 1 --level staging" in why(ruled)
    assert (ruled.champion, GateRuns(registry.db).list("world", 1)) == (None, ())


def test_while_the_first_model_waits_for_its_level_none_is_trained(ruled: World) -> None:
    ruled.live(150)
    waiting = ruled.cycle()
    assert (waiting.trained, waiting.waiting) == (None, "version 1 waits for its level")
    assert len(ruled.platform.registry.versions.list("world")) == 1


def test_a_first_model_whose_gates_do_not_pass_holds_no_training_back(ruled: World) -> None:
    registry = ruled.platform.registry
    strict = Governance(levels=(Level(name="staging", gates=(MetricGate(metric="accuracy", least=0.999),)),))
    ruled.task = msgspec.structs.replace(ruled.task, governance=strict)
    registry.tasks.apply(ruled.task, ruled.clock.now())
    ruled.cycle()
    run_jobs(ruled)
    ruled.live(150)
    assert ruled.cycle().trained == 2
