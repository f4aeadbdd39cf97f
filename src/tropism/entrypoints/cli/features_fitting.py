"""`tropism features fit`: a pipeline fitted on labelled rows."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("labels", type=_FILE)
@click.option("--pipeline", "name", required=True, metavar="NAME", help="The name that project.py gives the pipeline.")
@click.option("--out", required=True, type=_FILE, help="The JSON file to write.")
@click.option("--target", metavar="COLUMN", help="What target encoding learns from: numbers or booleans.")
@click.option("--at", metavar="COLUMN", help="When the features of a label were to be known.")
@click.option("--delay", metavar="DURATION", help="How long a target takes to be known, such as 7d.")
@click.option("--input", "inputs", multiple=True, metavar="INPUT=NAME", help="What fills an input; again for the next.")
@click.option("--training", type=_FILE, help="A .parquet, .arrow or .csv file for the columns to train on.")
@click.option("--prefix", default="", metavar="TEXT", help="Begins the names of those columns.")
@click.pass_obj
def fit(
    project: Path,
    labels: Path,
    name: str,
    out: Path,
    target: str | None,
    at: str | None,
    delay: str | None,
    inputs: tuple[str, ...],
    training: Path | None,
    prefix: str,
) -> None:
    """Fit a pipeline of project.py on the rows of LABELS.

    LABELS is a Parquet, Arrow or CSV file. An input of the pipeline is filled by the column of its name, or by what
    --input says: another column, or a feature (spend.count_7d), which is added to each label as it was known at its
    time. Features are those that project.py declares; they need not be applied.

    \b
    tropism features fit labels.parquet --pipeline scaling --out scaling.json \\
        --target is_fraud --at decided_at --delay 7d --input mean=spend.mean_amount_30d
    """
    from tropism.entrypoints.cli.run_features_fitting import Fit, fit_pipeline

    pairs = [(column, filling) for column, _, filling in (text.partition("=") for text in inputs)]
    if not all(column and filling for column, filling in pairs):
        raise click.UsageError("write --input as INPUT=NAME, such as mean=spend.mean_amount_30d")
    if prefix and training is None:
        raise click.UsageError("--prefix is for the columns of --training; name a file too, or leave it out")
    fit_pipeline(project, Fit(labels, name, out, dict(pairs), target, at, delay, training, prefix))
