"""Runs the two planes on uvicorn."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from tropism.config import Settings

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def run_data_plane(settings: Settings) -> None:
    """The data plane, until it is told to stop. Requests in flight are answered first."""
    from tropism.core.identity import Identifiers
    from tropism.entrypoints.api.data_plane import DataPlane
    from tropism.entrypoints.api.server import bind, serve
    from tropism.serving import SnapshotHolder, Watcher

    log_to_stderr()
    listener = bind(settings.http.host, settings.http.port)
    platform = open_platform(settings)
    holder = SnapshotHolder()
    every = parse_duration(settings.http.poll, "http.poll") / SECOND
    watcher = Watcher(holder, platform.registry.aliases.generation, platform.snapshot_loader(), every)
    journal = platform.journal()
    app = DataPlane(
        holder=holder, journal=journal, clock=platform.clock, identifiers=Identifiers(), settings=settings.http
    )
    watcher.start()
    try:
        serve(app, listener)
    finally:
        watcher.stop()
        journal.close()


def run_control_plane(settings: Settings) -> None:
    """The control plane on the loopback, until it is told to stop."""
    from tropism.entrypoints.api.control_plane import control_plane
    from tropism.entrypoints.api.server import bind, serve

    log_to_stderr()
    serve(control_plane(open_platform(settings)), bind("127.0.0.1", settings.http.control_port))


def log_to_stderr() -> None:
    """Plain lines on standard error, which the supervisor keeps in a file."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=_FORMAT)
    logging.getLogger("httpx").setLevel(logging.WARNING)
