"""Runs the two planes on uvicorn."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.entrypoints.logs import log_to_stderr
from tropism.wiring import open_platform

if TYPE_CHECKING:
    import socket

    from tropism.config import Settings

_SWITCH = 0.00005


def run_data_plane(settings: Settings, listener: socket.socket | None = None, number: int = 0) -> None:
    """A data plane, until it is told to stop. Requests in flight are answered first.

    `listener`: the public socket, which others may listen on too; its own if None. `number`: the one that it has
    among the project's data planes, if no other has it.
    """
    from functools import partial

    from tropism.entrypoints.api.assembly import assembled
    from tropism.entrypoints.api.connection import Connection
    from tropism.entrypoints.api.server import Terms, bind, serve

    log_to_stderr(settings.logs, "data-plane")
    listener = listener or bind(settings.http.host, settings.http.port)
    keep_alive = parse_duration(settings.http.keep_alive, "http.keep_alive") / SECOND
    with assembled(settings, number) as app:
        terms = Terms(partial(Connection, app), keep_alive, settings.http.max_body_bytes, app.subscriptions.end)
        _spare_the_collector()
        try:
            serve(app, listener, terms)
        except SystemExit:
            if app.failed is not None:
                raise app.failed from None
            raise


def _spare_the_collector() -> None:
    """What is loaded by now stays; what a request leaves behind goes without the collector, which need not look often.

    Nor need a thread that loads a model hold up the requests for the usual five milliseconds at a time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    sys.setswitchinterval(_SWITCH)


def run_control_plane(settings: Settings) -> None:
    """The control plane on the loopback, until it is told to stop."""
    from tropism.entrypoints.api.control_plane import control_plane
    from tropism.entrypoints.api.server import bind, serve

    log_to_stderr(settings.logs, "control-plane")
    serve(control_plane(open_platform(settings)), bind(settings.http.control_host, settings.http.control_port))
