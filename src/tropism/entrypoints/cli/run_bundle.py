"""What `tropism bundle` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tropism.entrypoints.cli.naming import named_version
from tropism.entrypoints.cli.opening import open_project
from tropism.learners.artifact import load
from tropism.training.edge.bundle import write_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.registry import ModelVersion
    from tropism.wiring import Platform


def run_bundle(project: Path, version: str, out: Path) -> None:
    platform = open_project(project)
    write_version(platform, named_version(platform.registry, version), out)


def write_version(platform: Platform, version: ModelVersion, out: Path) -> None:
    """Writes a registered version's bundle and says so."""
    task = platform.registry.tasks.get(version.model)
    written = write_bundle(load(version.artifact, platform.blobs), task, version.version, out)
    click.echo(
        f"wrote {version.model}:{version.version} to {written.folder}: {written.size / 1000:.0f} kB, "
        f"scores within {written.tolerance:.1g} of the server's"
    )
    click.echo(f"check it where it is to run: python {written.folder / 'runner.py'} --check")
