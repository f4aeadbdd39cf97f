"""Train: a challenger in a subprocess, registered under the cycle's key so that a second try makes no second one."""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from tropism.core.durations import parse_duration
from tropism.core.errors import DiskFull, Fault, NotFound, TrainingFailed, TropismError
from tropism.feedback.joining import moments
from tropism.loop.runs.logging import TrainingRun
from tropism.registry import NewVersion
from tropism.registry.lineage import link_training
from tropism.training.request import TrainingRequest, TrainingResult
from tropism.training.spans import spans
from tropism.training.subprocess import Cancelled, run_training

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.loop.decide import Plan
    from tropism.loop.observe import Observation
    from tropism.loop.services import Services

_ROWS = "rows.arrow"


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A version made by a training, or the reason why there is none."""

    version: int | None = None
    result: TrainingResult | None = None
    failure: str = ""
    cancelled: bool = False


def train(services: Services, task: Task, seen: Observation, plan: Plan, job: str) -> Trained:
    """Train on everything known at `seen.now` and register the best candidate.

    A training that fails for a reason of its own (too few rows, one class, out of memory) is an answer, not an
    error: the loop goes on with the model it has. Either is a run in the tracking store.
    """
    run = TrainingRun(services, task, job, plan.reasons, seen.now)
    run.begin()
    trained = _trained(services, task, seen, plan, job)
    if trained.version is not None and trained.result is not None:
        run.finish(trained.version, trained.result)
    else:
        run.fail(trained.failure, cancelled=trained.cancelled)
    return trained


def _trained(services: Services, task: Task, seen: Observation, plan: Plan, job: str) -> Trained:
    folder = services.work / job
    try:
        request = prepare(services, task, seen, plan.changed, folder, job)
        result = _attempt(services, request, folder)
    except Cancelled as error:
        return Trained(failure=error.message, cancelled=True)
    except TrainingFailed as error:
        return Trained(failure=str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        fix = "free space on the disk of this folder; the training goes on then"
        raise DiskFull("there is no room to train", Fault("work", str(folder), fix)) from error
    finally:
        (folder / _ROWS).unlink(missing_ok=True)
    return Trained(version=_register(services, task, seen, result, job), result=result)


def _attempt(services: Services, request: TrainingRequest, folder: Path) -> TrainingResult:
    """The training's result. One that dies is begun again."""
    job = request.job
    for left in reversed(range(max(services.training.attempts, 1))):
        try:
            return run_training(
                request,
                folder,
                on_progress=lambda share, text: _report(services, job, share, text),
                cancelled=lambda: _cancelled(services, job),
            )
        except TrainingFailed as error:
            if left == 0 or "process ended" not in error.message:
                raise
    raise AssertionError("unreachable")


def _report(services: Services, job: str, share: float, text: str) -> None:
    """Progress is for people; a training goes on when nobody can be told."""
    with suppress(TropismError):
        services.registry.jobs.progress(job, services.holder, share, text, services.real.now())


def _cancelled(services: Services, job: str) -> bool:
    try:
        return services.registry.jobs.get(job).cancel
    except NotFound:
        return False


def prepare(
    services: Services, task: Task, seen: Observation, changed: int | None, folder: Path, job: str
) -> TrainingRequest:
    """The request of a training, its rows written beside it. The same lake versions give the same request."""
    folder.mkdir(parents=True, exist_ok=True)
    known = services.cohorts.known(task, now=seen.now, versions=seen.lake).table
    for column in ("at", "label_at"):
        known = known.set_column(known.schema.get_field_index(column), column, pa.array(moments(known, column)))
    path = folder / _ROWS
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, known.schema) as writer:
        writer.write_table(known)
    return TrainingRequest(
        job=job,
        task=task.learnt,
        table=str(path),
        data={"lake": msgspec.to_builtins(seen.lake), "now": seen.now},
        blobs=services.blobs_url,
        spans=spans(task.policy, known["at"].to_numpy(), changed),
        first=seen.champion is None,
        validation_rows=max(task.policy.recent // 2, 1),
        memory_mb=services.training.memory_mb,
        timeout=parse_duration(services.training.timeout),
    )


def _register(services: Services, task: Task, seen: Observation, result: TrainingResult, job: str) -> int:
    facts: dict[str, Any] = msgspec.to_builtins(result)
    kept = (
        "metrics",
        "baselines",
        "loss",
        "against_baseline",
        "candidates",
        "fits",
        "cpu_seconds",
        "calibrated",
    )
    version = NewVersion(
        model=task.name,
        artifact=result.artifact,
        learner=result.learner,
        window=result.span,
        metrics={name: facts[name] for name in kept},
        data=result.data,
        signature=result.signature,
        environment=result.environment,
        parent=seen.champion,
        job_id=job,
    )
    number = services.registry.versions.register(version, now=seen.now)
    link_training(services.registry, task.learnt, number, result.data, seen.now)
    return number
