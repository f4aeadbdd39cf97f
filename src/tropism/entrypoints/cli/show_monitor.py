"""What `tropism monitor` shows."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tropism.core.errors import Fault, InvalidInput
from tropism.entrypoints.cli.monitor_glance import glance_lines, glances
from tropism.entrypoints.cli.monitor_task import SPAN, Asked, details
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.show_monitor_task import as_of, task_lines
from tropism.entrypoints.supervisor import running
from tropism.loop.viewing.spans import since_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tropism.wiring import Platform

EVERY = 3.0
"""Seconds between two looks of `--watch`."""


def show_monitor(project: Path, task: str | None, asked: Asked, *, check: bool, watch: bool, as_json: bool) -> None:
    platform = _up_to_date(open_project(project))
    since_of(asked.since or SPAN, platform.clock.now(), "--since")
    if task is not None:
        platform.sources.task(task)
    if watch:
        keep_showing(lambda: _lines(_up_to_date(platform), task, asked))
        return
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(_found(platform, task, asked))).decode())
    else:
        click.echo("\n".join(_lines(platform, task, asked)))
    if check:
        _check(platform, task)


def _up_to_date(platform: Platform) -> Platform:
    if running(platform.settings.folder) is None:
        platform.ingest()  # otherwise the worker does it, every moment
    return platform


def _check(platform: Platform, task: str | None) -> None:
    number = len(platform.alerts.list(task, "open"))
    if number:
        click.echo(f"{number} alert{' is' if number == 1 else 's are'} open", err=True)
        raise click.exceptions.Exit(1)


def _found(platform: Platform, task: str | None, asked: Asked) -> Any:
    if task is not None:
        return _details(platform, task, asked)
    return glances(platform.sources, _span(platform, asked))


def _lines(platform: Platform, task: str | None, asked: Asked) -> list[str]:
    since = asked.since or SPAN
    width = max(shutil.get_terminal_size().columns, 40)
    if task is not None:
        return task_lines(_details(platform, task, asked), since, width)
    found = glances(platform.sources, _span(platform, asked))
    return glance_lines(found, since, width, cut=sys.stdout.isatty())


def _details(platform: Platform, task: str, asked: Asked) -> Any:
    with _busy(asked.method):
        return details(platform.sources, task, asked)


def _span(platform: Platform, asked: Asked) -> int:
    now = platform.clock.now()
    return now - since_of(asked.since or SPAN, now, "--since")


def _busy(method: str | None) -> Any:
    """Says on a terminal that something takes a while."""
    from rich.console import Console

    console = Console(stderr=True)
    if method is None or not console.is_terminal:
        return nullcontext()
    return console.status(f"comparing all features ({method}); this takes some seconds")


def keep_showing(look: Callable[[], list[str]], every: float = EVERY, terminal: Any = None) -> None:
    """Shows what `look` returns, anew every few seconds, until Ctrl-C. `terminal`: a rich console.

    Raises:
        InvalidInput: nobody sees it.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console() if terminal is None else terminal
    if not console.is_terminal:
        fault = Fault("--watch", "", "leave it out where the output is a file or a pipe")
        raise InvalidInput("--watch needs a terminal", fault)

    def frame() -> Text:
        head = f"{as_of(time.time_ns() // 1_000)}, Ctrl-C ends"
        return Text.from_ansi("\n".join([head, "", *look()]), no_wrap=True, overflow="ellipsis")

    try:
        with Live(frame(), console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(every)
                live.update(frame(), refresh=True)
    except KeyboardInterrupt:
        return
