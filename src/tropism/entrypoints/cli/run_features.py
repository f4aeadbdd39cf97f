"""What the commands do that fill the feature store."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from tropism.core.errors import TropismError
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.progressing import progress_bars
from tropism.entrypoints.cli.tables import print_table
from tropism.featurestore.filling import backfill, fill, follow, views_to_fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tropism.features.store.definitions import StoredView
    from tropism.featurestore import FeatureStore
    from tropism.featurestore.filling import Filled

    Tell = Callable[[int, int], None]

_PATIENCE = 2.0
"""Seconds without a bar."""


@contextmanager
def telling() -> Iterator[Callable[[str], Tell]]:
    """A bar that appears where it takes long; called with what is being done, it gives what to tell how far it is."""
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

    progress = progress_bars(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    bar = progress.add_task("", total=None)
    timer = threading.Timer(_PATIENCE, progress.start)
    timer.daemon = True
    timer.start()

    def begin(what: str) -> Tell:
        progress.update(bar, description=what, completed=0, total=None)
        return lambda done, total: progress.update(bar, completed=done, total=total)

    try:
        yield begin
    finally:
        timer.cancel()
        timer.join()
        progress.stop()


def materialize_views(project: Path, names: Sequence[str], *, streams: bool) -> None:
    store = open_project(project).features
    views = views_to_fill(store, names, streams=streams)
    if not views:
        click.echo("no views to fill: declare them in project.py and apply them, or name one over a stream")
        return
    done: list[tuple[StoredView, Filled]] = []
    errors: list[tuple[StoredView, TropismError]] = []
    try:
        with telling() as begin:
            for one in views:
                try:
                    done.append((one, fill(store, one, begin(one.stored))))
                except TropismError as error:
                    errors.append((one, error))
    except KeyboardInterrupt:
        click.echo("what was written stays; the same command writes the rest", err=True)
        raise
    rows = [(*_named(one), found.rows, found.written, ", ".join(found.failed) or None) for one, found in done]
    if rows:
        print_table(("view", "version", "read", "written", "rules that failed"), rows)
    for one, failure in errors:
        title = click.style("error", fg="red", bold=True)
        click.echo(f"{title} [{failure.code}] the view '{one.stored}' was not filled: {failure}", err=True)
    if errors:
        raise click.exceptions.Exit(1)


def _named(one: StoredView) -> tuple[str, int]:
    name, _, version = one.stored.rpartition("@")
    return name, int(version)


def backfill_stream(project: Path, source: str, files: Sequence[Path], arrived: str | None) -> None:
    store = open_project(project).features
    store.stream(source)
    try:
        with telling() as begin:
            for file in files:
                _bring(store, source, file, arrived, begin(file.name))
            views = follow(store, source, begin("views"))
    except KeyboardInterrupt:
        click.echo("what was brought in stays; the same command goes on from there", err=True)
        raise
    click.echo(f"up to date: {', '.join(views)}" if views else f"no view is over '{source}' yet")


def _bring(store: FeatureStore, source: str, file: Path, arrived: str | None, tell: Tell) -> None:
    found = backfill(store, source, file, arrived, tell)
    text = f"{file}: {_count(found.rows, 'row')}, {found.new:,} new"
    if found.kept_out:
        text += f", {found.kept_out:,} kept out"
    click.echo(text)
    for rule in found.failed:
        click.echo(f"  rule failed: {rule}")


def import_repository(folder: Path, python: str | None, out: Path | None) -> None:
    from tropism.features.feast import import_feast

    found = import_feast(folder, python, out)
    if out is None:
        click.echo(found.text, nl=not found.text.endswith("\n"))
    told = sys.stdout if out is not None else sys.stderr
    counts = f"{_count(found.entities, 'entity', 'entities')}, {_count(found.views, 'view')}"
    click.echo(f"{counts}{'' if out is None else f': {out}'}", file=told)
    for word, remarks in (("left out", found.left_out), ("changed", found.changed)):
        for remark in remarks:
            click.echo(f"{word}: {remark}", file=told)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
