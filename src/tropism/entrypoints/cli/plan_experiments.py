"""What `tropism experiments plan` prints."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.tables import print_table
from tropism.entrypoints.planning import HISTORY, Planned, Wanted, plan_experiment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DECIDED = ("looking every day", "z test at the end")


def print_plan(project: Path, given: Mapping[str, Any], as_json: bool) -> None:
    planned = plan_experiment(open_project(project), Wanted(**given))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(planned)).decode())
        return
    for line in _lines(planned):
        click.echo(line)
    rows = [
        (how, one.units, one.units_treatment, one.days, f"{one.days_until_decided:.4g}", f"{one.power:.0%}")
        for how, one in zip(_DECIDED, (planned.sequential, planned.fixed), strict=True)
    ]
    print_table(("decided by", "units", "treatment", "days", "until decided", "power"), rows)
    click.echo(
        f'the experiment needs max_duration="{ceil(planned.sequential.days) + 1}d", as days that count are whole'
    )


def _lines(planned: Planned) -> list[str]:
    what = "the share of units with" if planned.kind == "proportion" else "the mean by unit of"
    found = f"{planned.value:.4g} to {planned.value * (1 + planned.lift):.4g}"
    lines = [f"{what} '{planned.of}', from {found} (sd {planned.sd:.4g}), alpha {planned.alpha:.4g}"]
    late = f", outcomes known after {planned.delay_days:.4g} days" if planned.delay_days else ""
    lines.append(f"{planned.units_per_day:.4g} new units a day, {planned.share:.4g} of them with the treatment{late}")
    if planned.measured:
        units = f"{planned.measured} units of the last {HISTORY} days of {planned.task}"
        lines.append(f"what was not given is from {units}")
    return lines
