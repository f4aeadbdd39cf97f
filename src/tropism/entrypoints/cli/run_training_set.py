"""What `tropism features training-set` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tropism.entrypoints.cli.opening import open_project
from tropism.featurestore.training_sets import (
    keep_training_set,
    make_training_set,
    names_of,
    read_labels,
    require_form,
    write_table,
)

if TYPE_CHECKING:
    from pathlib import Path


def make_set(
    project: Path, labels: Path, views: str | None, task: str | None, at: str, out: Path | None, lake: str | None
) -> None:
    if out is not None:
        require_form(out)
    platform = open_project(project)
    store = platform.features
    if task is not None:
        names = names_of(platform.registry.tasks.get(task))
    else:
        names = [name for text in (views or "").split(",") if (name := text.strip())]
    made = make_training_set(store, read_labels(labels), names, at)
    table = made.table
    for view, rules in made.failed.items():
        click.echo(f"rules failed in the source of '{view}': {', '.join(rules)}", err=True)
    what = f"{len(table):,} row{'' if len(table) == 1 else 's'}, {len(table.column_names)} columns"
    if out is not None:
        write_table(table, out)
        click.echo(f"{what}: {out}")
    if lake is not None:
        version = keep_training_set(store, lake, table, names)
        click.echo(f"{what}: _training_sets/{lake} in the lake, version {version}")
