"""Runs `tropism import-model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.importing_mlmodel import import_model

if TYPE_CHECKING:
    from pathlib import Path


def run_import(project: Path, folder: Path, model: str, python: Path | None, seconds: float, actor: str) -> None:
    """Imports the folder and says what it became."""
    platform = open_project(project)
    found = import_model(platform, folder, model, actor=actor, python=python, seconds=seconds)
    facts = found.facts
    click.echo(f"version {found.version} of {model} is the model of {folder} ({facts['flavor']})")
    if "checked" in facts:
        checked, converted = facts["checked"], facts["converted"]
        click.echo(f"  {checked['rows']} rows: at most {checked['largest_difference']:.2g} from the original")
        network = (
            "with the network: nothing here takes it away (unshare)" if converted["network"] else "without network"
        )
        click.echo(f"  its code ran in a process apart, {network}")
    if facts["missing"] == "no score":
        click.echo("  a missing value has no score: such a row is answered by the version before, or the prior;")
        click.echo("  features with nullable=False refuse it")
    click.echo(f"make it the champion: tropism promote {model} {found.version}")
