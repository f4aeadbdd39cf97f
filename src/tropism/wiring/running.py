"""What processes begin with."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tropism.wiring.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tropism.config import Settings
    from tropism.core.experiment import Experiment
    from tropism.featurestore.applying import Applied


def open_platform(settings: Settings) -> Platform:
    """The parts of a project."""
    return Platform(settings)


def apply_project(settings: Settings) -> tuple[Applied, ...]:
    """Store what the project's `project.py` declares: its features, then its tasks, experiments
    and flags.

    Raises:
        ProjectInvalid: it is not valid; nothing was stored.
        Conflict: it would break history; nothing was stored.
        DataInvalid, NotReady, DiskFull: a view that a task moves to cannot be filled; tasks stay as they were.
    """
    from pathlib import Path

    from tropism.core.errors import InvalidInput
    from tropism.featurestore.applying import apply_declared
    from tropism.monitoring.segments.rules import check_segments
    from tropism.project import load_experiments, load_features, load_flags, load_project, refusal_of
    from tropism.wiring.flags import declare, require_sound

    path = Path(settings.project) / "project.py"
    tasks, features, experiments = load_project(path), load_features(path), load_experiments(path)
    flags = load_flags(path)
    for task in (one for one in tasks if not one.views):
        try:
            check_segments(task, task.monitoring.segments)
        except InvalidInput as error:
            raise refusal_of(path, task, error) from error
    platform = open_platform(settings)
    _require_draft(platform, path, experiments)
    require_sound(platform.registry.flags, path, flags)
    applied = apply_declared(
        platform.features, platform.registry.tasks, tasks, features, lambda task, error: refusal_of(path, task, error)
    )
    trials = [_declared(platform, one) for one in experiments]
    return (*applied, *trials, *declare(platform.registry.flags, flags, platform.clock.now()))


def _require_draft(platform: Platform, path: Path, experiments: Sequence[Experiment]) -> None:
    """What has started stays as it is. Raises: ProjectInvalid: the file has one of them otherwise."""
    from tropism.core.errors import Conflict, Fault
    from tropism.project import refusal_of

    started = {one.name: one.spec for one in platform.registry.experiments.all() if one.status != "draft"}
    for one in experiments:
        if started.get(one.name, one) != one:
            fault = Fault("name", repr(one.name), "write it as it was started, or give the new one another name")
            error = Conflict(f"experiment '{one.name}' has started, so it stays as it is", fault)
            raise refusal_of(path, one, error)


def _declared(platform: Platform, experiment: Experiment) -> Applied:
    from tropism.core.errors import NotFound
    from tropism.featurestore.applying import Applied

    registry = platform.registry.experiments
    try:
        before = registry.get(experiment.name).spec
    except NotFound:
        before = None
    trial = registry.put(experiment, actor="project", now=platform.clock.now())
    status = "unchanged" if before == experiment else "created" if before is None else "changed"
    hint = f"; start it: tropism experiments start {trial.name}" if trial.status == "draft" else ""
    return Applied(f"experiment {trial.name}", status + hint)


def run_worker(settings: Settings) -> None:
    """The worker process, until it is told to stop."""
    import signal

    import numpy as np  # noqa: F401  what is limited must be loaded
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    # Its arrays are small: threads of BLAS would spin for longer than they work. Trainings are other processes.
    with threadpool_limits(limits=1, user_api="blas"):
        open_platform(settings).worker().run(stop)
