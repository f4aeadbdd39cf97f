"""Runs one process of a project here, until it is told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tropism.config import Settings


def _data_plane(settings: Settings) -> None:
    from tropism.entrypoints.api.run import run_data_plane

    run_data_plane(settings)


def _control_plane(settings: Settings) -> None:
    from tropism.entrypoints.api.run import run_control_plane

    run_control_plane(settings)


def _worker(settings: Settings) -> None:
    from tropism.entrypoints.logs import log_to_stderr
    from tropism.wiring import run_worker

    log_to_stderr(settings.logs, "worker")
    run_worker(settings)


def _consumer(settings: Settings) -> None:
    from tropism.entrypoints.streams.consumers import run_consumers

    run_consumers(settings)


FOREGROUND: Mapping[str, Callable[[Settings], None]] = {
    "data-plane": _data_plane,
    "control-plane": _control_plane,
    "worker": _worker,
    "consumer": _consumer,
}
"""What each process runs, by name. Each returns once it was told to stop (SIGTERM, SIGINT) and has ended cleanly."""
