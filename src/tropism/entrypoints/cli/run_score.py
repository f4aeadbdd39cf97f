"""What `tropism score` does: scores a file, shows how far it is, and says what came of it."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from tropism.core.errors import Fault, InvalidInput
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.progressing import progress_bars
from tropism.entrypoints.scoring.executing import Where, executor
from tropism.entrypoints.scoring.request import Request
from tropism.entrypoints.scoring.run import Job
from tropism.entrypoints.scoring.sources.base import Chosen
from tropism.entrypoints.scoring.sources.opening import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tropism.entrypoints.scoring.plan import Form
    from tropism.entrypoints.scoring.run import Summary

_FORMS: dict[str, Form] = {"csv": "csv", "jsonl": "json-lines", "parquet": "parquet", "arrow": "arrow"}
_MOST_NOTES = 10


def run_score(project: Path, model: str, data: Path, out: Path, **options: Any) -> None:
    task, version = _named(model, options["version"])
    request = Request(
        task=task,
        version=version,
        data=data,
        out=out,
        form=_form(out, options["form"]),
        chosen=Chosen(_listed(options["keep"]), _listed(options["ignore"])),
        journal=options["journal"],
        skip_bad=options["skip_bad"],
        restart=not options["resume"],
    )
    if options["address"] is not None and options["on"] != "ray":
        raise click.UsageError("--address is of a Ray cluster; give --on ray too")
    platform = open_project(project)
    begun = time.monotonic()
    with closing(Job(platform, request)) as job:
        if job.finished:
            rows = sum(one.rows for one in job.finished.values())
            click.echo(f"going on with version {job.plan.version}, {_rows(rows)} done")
        where = Where(options["on"], options["workers"], options["address"])
        try:
            found = _score(job, executor(platform, job, where))
        except KeyboardInterrupt:
            done = sum(one.rows for one in job.finished.values())
            click.echo(f"{_rows(done)} done and kept; the same command goes on from there", err=True)
            raise
    _report(request, found, time.monotonic() - begun)


def _score(job: Job, scoring: Any) -> Summary:
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.percentage:>3.0f}%"),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[speed]:,.0f} rows/s, left"),
        TimeRemainingColumn(),
    )
    with progress_bars(*columns) as progress:
        bar = progress.add_task("", total=1.0, rows=0, speed=0.0)
        begun = time.monotonic()
        before = sum(one.rows for one in job.finished.values())

        def tell(share: float, rows: int) -> None:
            speed = (rows - before) / max(time.monotonic() - begun, 1e-9)
            progress.update(bar, completed=share, rows=rows, speed=speed)

        return job.run(scoring, tell)


def _report(request: Request, found: Summary, seconds: float) -> None:
    speed = (found.rows - found.resumed) / max(seconds, 1e-9)
    what = f"{_rows(found.rows)} of {request.data} with version {found.version} of '{request.task}'"
    click.echo(f"scored {what} in {seconds:.1f} s ({speed:,.0f} rows/s): {request.out}")
    if found.bad:
        click.echo(f"  {_rows(found.bad)} could not be scored; {request.skip_bad} says why")
    notes = sorted(found.notes.items(), key=lambda one: -one[1])
    for text, count in notes[:_MOST_NOTES]:
        click.echo(f"  {text} ({_rows(count)})")
    if len(notes) > _MOST_NOTES:
        click.echo(f"  and {len(notes) - _MOST_NOTES} more such notes")
    if request.journal:
        click.echo("  recorded in the journal: send outcomes for the prediction_id of each row")


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _named(model: str, version: int | None) -> tuple[str, int | None]:
    """The task and the version of `price`, `price:3`, and `price --version 3`."""
    task, colon, text = model.partition(":")
    if not colon:
        return task, version
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        fix = f"write a version's number after the colon, such as {task or 'price'}:3"
        raise InvalidInput("there is no such version", Fault("MODEL", model, fix))
    if version not in (None, int(text)):
        raise click.UsageError(f"{model} and --version {version} name two versions; give one")
    return task, int(text)


def _form(out: Path, chosen: str | None) -> Form:
    if chosen is not None:
        return _FORMS[chosen]
    found = SUFFIXES.get(out.suffix.lower())
    if found is None:
        fix = "end its name with .parquet, .csv, .jsonl or .arrow; or give --format"
        raise InvalidInput("the output's format is not known", Fault("--out", str(out), fix))
    return found


def _listed(given: Iterable[str]) -> tuple[str, ...]:
    """Names of options that may be repeated, and hold several names separated by commas."""
    names = (name.strip() for text in given for name in text.split(","))
    return tuple(dict.fromkeys(name for name in names if name))
