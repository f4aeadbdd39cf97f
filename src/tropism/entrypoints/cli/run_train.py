"""What `tropism train` does: imports history, asks for a training, shows its progress."""

from __future__ import annotations

import threading
import time as clock
from typing import TYPE_CHECKING, Any

import click

from tropism.core.errors import Fault, NotReady, TrainingFailed
from tropism.core.identity import Identifiers, task_tag
from tropism.entrypoints.cli.opening import settings_of
from tropism.entrypoints.cli.progressing import progress_bars
from tropism.entrypoints.cli.tables import moment, shown
from tropism.entrypoints.supervisor import running
from tropism.registry import NewJob
from tropism.wiring import apply_project, open_platform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tropism.registry import Job
    from tropism.wiring import Platform


def run_train(project: Path, task: str, data: Path | None, time: str | None, actor: str) -> None:
    settings = settings_of(project)
    apply_project(settings)
    platform = open_platform(settings)
    declared = platform.registry.tasks.get(task)
    if data is not None:
        from tropism.entrypoints.importing import import_history

        count = import_history(platform, declared, data, time)
        click.echo(f"imported {count} rows of history")
    now = platform.real.now()
    key = Identifiers().new(now, task_tag(task))
    request = {"task": task, "asked": actor}
    platform.registry.jobs.submit(NewJob(id=key, task=task, kind="cycle", request=request), now=now)
    try:
        if running(settings.folder) is None:
            job = _work_here(platform, key)
        else:
            job = _follow(platform, key, lambda: running(settings.folder) is not None)
    except KeyboardInterrupt:
        platform.registry.jobs.cancel(key, platform.real.now())
        raise
    _report(platform, job)


def _work_here(platform: Platform, key: str) -> Job:
    """Nobody is up to do the job, so this process does it and leaves."""
    worker = platform.worker(automatic=False)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        return _follow(platform, key, thread.is_alive)
    except KeyboardInterrupt:
        platform.registry.jobs.cancel(key, platform.real.now())
        raise
    finally:
        stop.set()
        thread.join()


def _follow(platform: Platform, key: str, alive: Callable[[], bool]) -> Job:
    """The job when it has ended. `alive`: whether anybody is there to do it."""
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

    with progress_bars(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as progress:
        bar = progress.add_task("waiting for the worker", total=1.0)
        while True:
            somebody = alive()
            job = platform.registry.jobs.get(key)
            progress.update(bar, completed=job.progress, description=job.message or "training")
            if job.status in ("done", "failed", "cancelled"):
                return job
            if not somebody:
                fix = "the job waits in the queue: `tropism up` takes it up"
                raise NotReady("the worker is gone", Fault("job", job.id, fix))
            clock.sleep(0.1)


def _report(platform: Platform, job: Job) -> None:
    from tropism.loop.climbing import explain, held

    result: dict[str, Any] = job.result or {}
    if job.status == "cancelled" or (job.cancel and result.get("trained") is None):
        raise NotReady("the training was cancelled", Fault("job", job.id, "ask again: `tropism train`"))
    if job.status == "failed":
        raise TrainingFailed(str((job.error or {}).get("message", "it failed")))
    if result.get("trained") is None:
        _explain(job.task, str(result.get("failure") or "nothing was trained"))
    version = platform.registry.versions.get(job.task, result["trained"])
    metrics = version.metrics
    best = min(metrics["baselines"].items(), key=lambda one: one[1])
    metric = platform.registry.tasks.get(job.task).metric_name
    name = "error rate" if metric == "accuracy" else metric
    click.echo(f"version {version.version}: {version.learner} on {version.window}, {version.data['rows']} rows")
    click.echo(
        f"  {name} {shown(metrics['loss'])} on later rows; best baseline {best[0]} {shown(best[1])} (lower is better)"
    )
    champion = platform.registry.aliases.live(job.task)
    if champion is not None and champion.champion == version.version:
        click.echo(f"  it is the champion since {moment(champion.since)} UTC")
    elif version.version in {one.version for one in held(platform.registry, job.task)}:
        why = explain(platform.registry, job.task, version.version, platform.real.now())
        click.echo(f"  it won, and waits: {why or f'approve it: tropism approve {job.task} {version.version}'}")
    elif champion is None:
        click.echo("  it is not better than the best baseline beyond doubt, so the baseline goes on answering")
    else:
        click.echo(f"  it challenges version {champion.champion}: evidence comes from the predictions made from now on")


def _explain(task: str, failure: str) -> None:
    """Raises the failure of a training; where there was too little to learn from, with the way to get more."""
    message, *lines = failure.splitlines()
    if not message.startswith("there are "):
        raise TrainingFailed("\n".join([message, *lines]))
    fix = f"send predictions and outcomes first, or import history: tropism train {task} --data FILE.csv --time COLUMN"
    raise TrainingFailed(f"'{task}' cannot be trained yet: {message}", Fault("rows", "", fix))
