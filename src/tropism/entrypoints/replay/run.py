"""A whole replay: the loop through the real platform, the other policies beside it, and the report."""

from __future__ import annotations

import dataclasses
import resource
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import DataInvalid, Fault
from tropism.core.task import METRICS, Gate, Policy, Task, Triggers
from tropism.entrypoints.replay.driver import Driver, LoopRun, Project
from tropism.entrypoints.replay.policies import PolicyResult, no_change, scheduled, static
from tropism.entrypoints.replay.record import Drift, Report
from tropism.entrypoints.replay.report import write_report
from tropism.entrypoints.replay.summary import summarise_policy
from tropism.entrypoints.replay.timeline import outcome_window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from tropism.entrypoints.replay.policies import Predictor
    from tropism.entrypoints.replay.stream import Stream

POLICIES = ("no-change", "static", "scheduled", "loop")
FEWEST = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What to replay. `warmup`, `refit_every`, `look_every`: events; defaults follow from the stream's length.

    `policy`: of the loop; in proportion to the warm-up if not given.
    """

    policies: Sequence[str] = POLICIES
    warmup: int | None = None
    refit_every: int | None = None
    look_every: int | None = None
    learner: str = "lightgbm"
    metric: str | None = None
    seed: int = 0
    policy: Policy | None = None
    keep: Path | None = None
    command: str = ""


@dataclasses.dataclass(eq=False)
class Replay:
    """What came of it."""

    report: Report
    html: Path
    json: Path
    loop: LoopRun | None = None
    results: dict[str, PolicyResult] = dataclasses.field(default_factory=dict)


def replay(
    stream: Stream, plan: Plan, out: Path, say: Callable[[str], None], progress: Callable[[str, int, int], None]
) -> Replay:
    """Run every policy of the plan and write the report into `out`.

    `progress` is called with a policy's name, events done and events in all.

    Raises:
        DataInvalid: a policy is unknown, or the warm-up does not fit the stream.
    """
    warmup = _warmup(stream, plan)
    every = plan.refit_every or max(warmup // 2, 1)
    stream = _with_task(stream, _task(stream, plan, warmup))
    results: dict[str, PolicyResult] = {}
    loop: LoopRun | None = None
    for name in plan.policies:
        progress(name, 0, len(stream))

        def tell(done: int, name: str = name) -> None:
            progress(name, done, len(stream))

        if name == "no-change":
            results[name] = no_change(stream, warmup=warmup)
        elif name == "static":
            results[name] = static(stream, fit_for(stream.task, plan), warmup=warmup, fewest=20, progress=tell)
        elif name == "scheduled":
            fit = fit_for(stream.task, plan)
            results[name] = scheduled(stream, fit, warmup=warmup, every=every, fewest=20, progress=tell)
        else:
            loop = _loop(stream, plan, warmup, say, tell)
            results[name] = loop.result
        tell(len(stream))
    report = Report(
        stream=stream,
        policies=tuple(summarise_policy(stream, result) for result in results.values()),
        decisions=() if loop is None else loop.decisions,
        drift=_drift(stream, warmup),
        warmup=warmup,
        command=plan.command,
        served_over_http=loop is not None,
        extra=_extra(stream, results, loop, every),
    )
    html, json = write_report(out, report)
    return Replay(report, html, json, loop, results)


def _warmup(stream: Stream, plan: Plan) -> int:
    unknown = [name for name in plan.policies if name not in POLICIES]
    if unknown or not plan.policies:
        fix = f"use some of: {', '.join(POLICIES)}"
        raise DataInvalid("a policy is unknown", Fault("--policies", ", ".join(unknown) or "none", fix))
    warmup = plan.warmup or min(max(len(stream) // 20, FEWEST), 2_000)
    if not 100 <= warmup <= len(stream) // 2:
        fix = f"use 100 to {len(stream) // 2} for these {len(stream)} events"
        raise DataInvalid("the warm-up does not fit the stream", Fault("--warmup", str(warmup), fix))
    return warmup


def _task(stream: Stream, plan: Plan, warmup: int) -> Task:
    """The stream's task with a policy in proportion to the warm-up (docs/adr/0008)."""
    kind = stream.task.kind
    if plan.metric is not None and plan.metric not in METRICS[kind]:
        fix = f"use one of: {', '.join(METRICS[kind])}"
        raise DataInvalid(f"the metric does not fit a {kind} target", Fault("--metric", repr(plan.metric), fix))
    policy = plan.policy or Policy(
        triggers=Triggers(new_outcomes=2 * warmup, cooldown=warmup // 2, decay=0.3, decay_rows=max(warmup // 8, 20)),
        gate=Gate(max_outcomes=2 * warmup),
        recent=warmup,
        min_training=100,
        rollback_outcomes=2 * warmup,
    )
    return msgspec.structs.replace(
        stream.task,
        metric=plan.metric or METRICS[kind][0],
        outcome_window=outcome_window(stream),
        learners=(plan.learner,),
        policy=policy,
    )


def _with_task(stream: Stream, task: Task) -> Stream:
    return dataclasses.replace(stream, task=task)


def fit_for(task: Task, plan: Plan) -> Callable[[pa.Table, NDArray[Any], NDArray[Any]], Predictor]:
    """The loop's learner, for the policies beside it."""
    from tropism.learners.base import Dataset
    from tropism.learners.fitting import fit_model

    def fit(features: pa.Table, labels: NDArray[Any], at: NDArray[Any]) -> Predictor:
        return fit_model(task, plan.learner, Dataset(features, labels, at, None), seed=plan.seed).predict

    return fit


def _loop(stream: Stream, plan: Plan, warmup: int, say: Callable[[str], None], tell: Callable[[int], None]) -> LoopRun:
    look = plan.look_every or max(warmup // 20, 25)
    place = nullcontext(str(plan.keep)) if plan.keep else tempfile.TemporaryDirectory(prefix="tropism-replay-")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with place as folder:
        with Project(Path(folder), stream.task, say) as project:
            found = Driver(project, stream, warmup=warmup, look_every=look).run(tell)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)  # of processes that have ended
    processes = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    result = dataclasses.replace(found.result, cpu_seconds=found.result.cpu_seconds + processes)
    return dataclasses.replace(found, result=result)


def _drift(stream: Stream, warmup: int, windows: int = 30) -> tuple[Drift, ...]:
    """How far each feature moved from the warm-up, over time."""
    from tropism.monitoring.counts import beyond_chance, count_columns, freeze

    reference = stream.features.slice(0, warmup)
    binnings = {one.name: freeze(reference[one.name], one.type) for one in stream.task.features}
    before = count_columns(binnings, reference, prefix="")
    size = max((len(stream) - warmup) // windows, 1)
    found = []
    for start in range(warmup, len(stream) - size + 1, size):
        now = count_columns(binnings, stream.features.slice(start, size), prefix="")
        at = int(stream.at[start + size - 1])
        found += [Drift(at, name, beyond_chance(before[name], now[name])) for name in binnings]
    return tuple(found)


def _extra(stream: Stream, results: dict[str, PolicyResult], loop: LoopRun | None, every: int) -> dict[str, Any]:
    from tropism.evaluation.metrics import display, losses

    metrics = {
        name: {
            metric: display(metric, float(losses(metric, stream.labels[result.start :], result.scores).mean()))
            for metric in METRICS[stream.task.kind]
        }
        for name, result in results.items()
    }
    extra: dict[str, Any] = {"metrics": metrics, "refit_every": every}
    if loop is not None:
        extra |= {
            "fits": {"loop": loop.fits},
            "training_cpu_seconds": sum(cycle["cpu_seconds"] for cycle in loop.cycles),
            "degraded": loop.degraded,
            "cycles": len(loop.cycles),
        }
    return extra
