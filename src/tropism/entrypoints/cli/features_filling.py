"""Commands of `tropism features` that fill the store and take training sets from it."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("views", metavar="[VIEW]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Views over streams too.")
@click.pass_obj
def materialize(project: Path, views: tuple[str, ...], everything: bool) -> None:
    """Fill the online store now, with the newest row of each entity.

    Without a VIEW: all views over files, tables and databases. A view over a stream is brought up to the events in the
    lake. `tropism up` does the same by schedule. Safe to stop and to repeat.

    \b
    tropism features materialize
    tropism features materialize profile spend@1
    """
    from tropism.entrypoints.cli.run_features import materialize_views

    if views and everything:
        raise click.UsageError("--all is of all views; leave it out, or the names")
    materialize_views(project, views, streams=everything)


@click.command()
@click.argument("source")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=_FILE)
@click.option("--arrived", metavar="COLUMN", help="The time at which an event arrived.")
@click.pass_obj
def backfill(project: Path, source: str, files: tuple[Path, ...], arrived: str | None) -> None:
    """Bring the history of the stream SOURCE in from Parquet or CSV files, then into its views.

    A file has the stream's columns; others are ignored. Without --arrived an event arrived when it happened, unless the
    file has a column arrived_at. The same file again adds nothing, and goes on where it was cut short. Without a FILE
    only the views are brought up to the history, such as a new view over an old stream.

    \b
    tropism features backfill payments 2025.parquet 2026.csv --arrived received_at
    tropism features backfill payments
    """
    from tropism.entrypoints.cli.run_features import backfill_stream

    if arrived is not None and not files:
        raise click.UsageError("--arrived names a column of the files; name a file too")
    backfill_stream(project, source, files, arrived)


@click.command("training-set")
@click.argument("labels", type=_FILE)
@click.option("--views", metavar="NAMES", help="Views or features, separated by commas.")
@click.option("--task", metavar="TASK", help="The features of a task instead.")
@click.option("--at", required=True, metavar="COLUMN", help="When the features of a label were to be known.")
@click.option("--out", type=_FILE, help="A .parquet, .arrow or .csv file to write.")
@click.option("--lake", metavar="NAME", help="Keep it in the lake under this name, with a version.")
@click.pass_obj
def training_set(
    project: Path, labels: Path, views: str | None, task: str | None, at: str, out: Path | None, lake: str | None
) -> None:
    """Add features to the rows of LABELS, each as it was known at the label's time.

    LABELS is a Parquet, Arrow or CSV file with the keys of the entities. Rows, order and columns stay.

    \b
    tropism features training-set labels.parquet --views spend --at decided_at --out train.parquet
    tropism features training-set labels.csv --task fraud --at at --lake fraud
    """
    from tropism.entrypoints.cli.run_training_set import make_set

    if (views is None) == (task is None):
        raise click.UsageError("say which features: --views NAMES, or --task TASK")
    if out is None and lake is None:
        raise click.UsageError("say where to: --out FILE, --lake NAME, or both")
    make_set(project, labels, views, task, at, out, lake)


@click.command("import")
@click.argument("folder", metavar="FEAST_FOLDER", type=_FILE)
@click.option("--python", metavar="PATH", help="The Python that has Feast installed; this one without it.")
@click.option("--out", type=_FILE, help="The file to write; without it the definitions are printed.")
def import_(folder: Path, python: str | None, out: Path | None) -> None:
    """Turn the definitions of a Feast repository into those of Tropism.

    What cannot be taken over is listed, with what was changed. Feast goes on as it is.

    \b
    tropism features import ../feature_repo --python ../venv/bin/python --out features.py
    """
    from tropism.entrypoints.cli.run_features import import_repository

    import_repository(folder, python, out)
