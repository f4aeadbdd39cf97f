"""What `tropism runs compare` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click
import msgspec

from tropism.core.errors import Fault, InvalidInput
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.show_runs import show_comparison
from tropism.entrypoints.cli.writing import write_text
from tropism.entrypoints.tracking.comparing import compare_runs
from tropism.entrypoints.tracking.finding import list_runs
from tropism.entrypoints.tracking.page import as_page, as_svg

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tropism.entrypoints.tracking.recommending import Better
    from tropism.wiring import Platform


def compare_named(
    project: Path,
    ids: Sequence[str],
    those: tuple[str | None, str | None, int],
    metrics: Sequence[str],
    better: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    platform = open_project(project)
    wanted = list(ids) or _last(platform, *those)
    found = compare_runs(
        platform.tracking, wanted, platform.clock.now(), metrics=metrics, better=cast("Better | None", better)
    )
    if output is not None:
        write_text(output, as_svg(found) if output.suffix.lower() == ".svg" else as_page(found))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    show_comparison(found)
    if output is not None:
        click.echo(f"charts are in {output}")


def _last(platform: Platform, task: str | None, experiment: str | None, limit: int) -> list[str]:
    if task is not None:
        platform.registry.tasks.get(task)
    found = list_runs(platform.tracking, platform.clock.now(), experiment=experiment, task=task, limit=limit)
    if len(found) < 2:
        fault = Fault("runs", str(len(found)), "log more first, or name two: tropism runs list")
        raise InvalidInput("there are not two runs to compare", fault)
    return [one.id for one in found]
