"""`tropism score`: predictions for a file of rows."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write; replaced when it is whole.")
@click.option("--version", type=click.IntRange(1), help="Version of the model (default: the champion).")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet", "arrow"]),
    help="Format of the output (default: by its name).",
)
@click.option("--keep", multiple=True, metavar="NAMES", help="Columns to copy into the output; '*' for all others.")
@click.option("--ignore", multiple=True, metavar="NAMES", help="Columns that are not features; '*' for all others.")
@click.option(
    "--skip-bad",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Go on without rows that cannot be scored; FILE says why.",
)
@click.option("--journal", is_flag=True, help="Record the predictions, so that outcomes can join them.")
@click.option("--workers", type=click.IntRange(1), help="Processes (default: one for each core).")
@click.option("--resume/--restart", default=True, help="Go on with an unfinished run (default), or begin anew.")
@click.option(
    "--on", type=click.Choice(["processes", "ray"]), default="processes", show_default=True, help="Who scores."
)
@click.option("--address", help="Ray cluster to use: auto, or ray://HOST:10001 (default: Ray on this machine).")
@click.pass_obj
def score(project: Path, /, model: str, data: Path, out: Path, **options: object) -> None:
    """Predict every row of DATA with MODEL (its champion, or MODEL:VERSION) on all cores.

    DATA is CSV, JSON lines, Parquet or Arrow, and may be larger than memory. It has a column for each feature;
    entity, unit, at and prediction_id mean what they mean over HTTP. The output has these four where they are
    there, then prediction, probability, version, variant (batch) and degraded, a row for each row of DATA.

    A run that is stopped, killed or full of disk goes on where it was when the same command is given again.

    \b
    tropism score payments march.parquet --out scored.parquet
    tropism score payments:3 march.csv --out scored.csv --keep customer,is_fraud
    tropism score payments march.jsonl --out scored.parquet --skip-bad bad.jsonl
    tropism score payments today.parquet --out scored.parquet --journal
    """
    from tropism.entrypoints.cli.run_score import run_score

    run_score(project, model, data, out, **options)
