"""One turn of the loop as a durable workflow: observe, decide, train, gate, release, and look at experiments.

What a step returns is what the next ones work on, so a cycle that was killed goes on with what it had seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tropism.loop.decide import Plan, decide
from tropism.loop.gate import Verdict, gate
from tropism.loop.judged import Judged
from tropism.loop.observe import Observation, observe
from tropism.loop.release import release
from tropism.loop.train import Trained, train
from tropism.loop.trials import act_on_trials, judge_trials

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.loop.durable import Steps, Workflow
    from tropism.loop.services import Services

T = TypeVar("T")


class CycleRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`asked`: who asked for a training, if anybody did."""

    task: str
    asked: str | None = None


class CycleResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a cycle saw, did and decided. `waiting` says why nothing was trained."""

    observation: Observation
    reasons: tuple[str, ...]
    waiting: str
    trained: int | None
    failure: str
    verdicts: tuple[str, ...]
    decisions: tuple[str, ...]
    fits: int
    cpu_seconds: float


def cycle(services: Services) -> Workflow:
    """The workflow, over the given services. Its key names the job whose progress it reports."""

    def run(steps: Steps, key: str, argument: Any) -> Any:
        request = msgspec.convert(argument, CycleRequest)
        task = services.registry.tasks.get(request.task)

        def step(name: str, kind: type[T], function: Callable[[], T]) -> T:
            return msgspec.convert(steps.step(name, lambda: msgspec.to_builtins(function())), kind)

        seen = step("observe", Observation, lambda: observe(services, task))
        plan = step("decide", Plan, lambda: decide(task, seen, request.asked))
        trained = step("train", Trained, lambda: train(services, task, seen, plan, key)) if plan.train else None
        verdicts = step("gate", list[Verdict], lambda: gate(services, task, seen, trained))
        decisions = step("release", list[str], lambda: release(services, task, seen, plan, trained, verdicts, key))
        judged = step("judge", list[Judged], lambda: judge_trials(services, task, seen)) if seen.trials else []
        if judged:
            decisions += step("act", list[str], lambda: act_on_trials(services, task, seen, judged, key))
        result = trained.result if trained is not None else None
        return msgspec.to_builtins(
            CycleResult(
                observation=seen,
                reasons=plan.reasons,
                waiting=plan.waiting,
                trained=trained.version if trained is not None else None,
                failure=trained.failure if trained is not None else "",
                verdicts=tuple(verdict.kind for verdict in verdicts),
                decisions=tuple(decisions),
                fits=result.fits if result is not None else 0,
                cpu_seconds=result.cpu_seconds if result is not None else 0.0,
            )
        )

    return run
