"""What `tropism train` does: imports history, asks for a training, shows its progress."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Any

import click

from tropism.config import load_settings
from tropism.core.clock import iso
from tropism.core.errors import Fault, NotReady, TrainingFailed
from tropism.core.identity import Identifiers, task_tag
from tropism.entrypoints.cli.tables import shown
from tropism.entrypoints.supervisor import running
from tropism.registry import NewJob
from tropism.wiring import apply_project, open_platform

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.registry import Job
    from tropism.wiring import Platform


def run_train(project: Path, task: str, data: Path | None, time: str | None, actor: str) -> None:
    settings = load_settings(project)
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
    if running(settings.folder) is None:
        _work_here(platform, key)
    _report(platform, _follow(platform, key))


def _work_here(platform: Platform, key: str) -> None:
    """Nobody is up to do the job, so this process does it and leaves."""
    import threading

    worker = platform.worker(automatic=False)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        _follow(platform, key)
    finally:
        stop.set()
        thread.join()


def _follow(platform: Platform, key: str) -> Job:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, transient=True) as progress:
        bar = progress.add_task("waiting for the worker", total=1.0)
        while True:
            job = platform.registry.jobs.get(key)
            progress.update(bar, completed=job.progress, description=job.message or "training")
            if job.status in ("done", "failed", "cancelled"):
                return job
            clock.sleep(0.1)


def _report(platform: Platform, job: Job) -> None:
    if job.status == "cancelled":
        raise NotReady("the training was cancelled", Fault("job", job.id, "ask again: `tropism train`"))
    if job.status == "failed":
        raise TrainingFailed(str((job.error or {}).get("message", "it failed")))
    result: dict[str, Any] = job.result or {}
    if result.get("failure"):
        raise TrainingFailed(result["failure"])
    version = platform.registry.versions.get(job.task, result["trained"])
    metrics = version.metrics
    best = min(metrics["baselines"].items(), key=lambda one: one[1])
    metric = platform.registry.tasks.get(job.task).metric_name
    click.echo(f"version {version.version}: {version.learner} on {version.window}, {version.data['rows']} rows")
    click.echo(
        f"  {metric} {shown(metrics['loss'])} on later rows; best baseline {best[0]} {shown(best[1])} (lower is better)"
    )
    champion = platform.registry.aliases.live(job.task)
    if champion is not None and champion.champion == version.version:
        click.echo(f"  it is the champion since {iso(champion.since)}")
    elif champion is None:
        click.echo("  it is not better than the best baseline beyond doubt, so the baseline goes on answering")
    else:
        click.echo(f"  it challenges version {champion.champion}: evidence comes from the predictions made from now on")
