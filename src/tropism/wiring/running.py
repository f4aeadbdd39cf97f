"""What processes begin with."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tropism.wiring.platform import Platform

if TYPE_CHECKING:
    from tropism.config import Settings
    from tropism.featurestore.applying import Applied


def open_platform(settings: Settings) -> Platform:
    """The parts of a project."""
    return Platform(settings)


def apply_project(settings: Settings) -> tuple[Applied, ...]:
    """Store what the project's `project.py` declares: its features, then its tasks.

    Raises:
        ProjectInvalid: it is not valid; nothing was stored.
        Conflict: it would break history; nothing was stored.
        DataInvalid, NotReady, DiskFull: a view that a task moves to cannot be filled; tasks stay as they were.
    """
    from pathlib import Path

    from tropism.core.errors import InvalidInput
    from tropism.featurestore.applying import apply_declared
    from tropism.monitoring.segments.rules import check_segments
    from tropism.project import load_features, load_project, refusal_of

    path = Path(settings.project) / "project.py"
    tasks, features = load_project(path), load_features(path)
    for task in (one for one in tasks if not one.views):
        try:
            check_segments(task, task.monitoring.segments)
        except InvalidInput as error:
            raise refusal_of(path, task, error) from error
    platform = open_platform(settings)
    return apply_declared(
        platform.features, platform.registry.tasks, tasks, features, lambda task, error: refusal_of(path, task, error)
    )


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
