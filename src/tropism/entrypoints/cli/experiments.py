"""`tropism experiments`: which variants answer whom, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_ACTOR = click.option("--actor", envvar="USER", default="cli", help="Who does it; goes into the audit trail.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@click.option("--task", metavar="TASK", help="Only this task's.")
@click.option(
    "--status",
    type=click.Choice(["draft", "running", "ended", "all"]),
    default="all",
    show_default=True,
    help="Only these.",
)
@_JSON
@click.pass_context
def experiments(context: click.Context, task: str | None, status: str, as_json: bool) -> None:
    """List experiments, newest first, with how far they are.

    An experiment gives a share of the units another version of a task's model, and compares. Declare it in project.py
    or in a JSON file, start it, and ask who gets what.

    \b
    tropism experiments
    tropism experiments --task payments --status running
    tropism experiments put two-trees.json
    tropism experiments start two-trees
    """
    if context.invoked_subcommand is not None:
        return
    from tropism.entrypoints.cli.show_experiments import list_experiments

    list_experiments(context.obj, task, None if status == "all" else status, as_json)


@experiments.command()
@click.argument("name")
@_JSON
@click.pass_obj
def show(project: Path, name: str, as_json: bool) -> None:
    """Show an experiment: its variants and how many units each has, its ramp, whom it is for, what decides.

    \b
    tropism experiments show two-trees
    tropism experiments show two-trees --json > two-trees.json
    """
    from tropism.entrypoints.cli.show_experiments import show_experiment

    show_experiment(project, name, as_json)


@experiments.command()
@click.option("--task", metavar="TASK", help="Take what is not given from this task's matured predictions.")
@click.option("--of", default=None, metavar="NAME", help="What is measured: outcome, loss, or a name outcomes carry.")
@click.option("--metric", "kind", type=click.Choice(["mean", "proportion"]), help="A mean, or a share of the units.")
@click.option("--rate", type=float, help="A proportion's value now, such as 0.05.")
@click.option("--mean", type=float, help="A mean's value now.")
@click.option("--sd", type=float, help="Its standard deviation over units.")
@click.option("--lift", type=float, required=True, help="Smallest change worth finding: 0.1 is 10% more, -0.1 less.")
@click.option("--units-per-day", type=float, help="New units in a day, all variants together.")
@click.option("--unit", type=click.Choice(["entity", "unit"]), default="entity", show_default=True, help="Units by.")
@click.option("--share", type=float, default=0.5, show_default=True, help="Share of the units with the treatment.")
@click.option("--power", type=float, default=0.8, show_default=True, help="Chance to find the change.")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Chance to find what is not there.")
@click.option("--delay", metavar="DURATION", help="How late outcomes are: the task's outcome window, or none.")
@_JSON
@click.pass_obj
def plan(project: Path, /, as_json: bool, **given: Any) -> None:
    """Say how many units and days an experiment needs, looking every day, and beside it a z test at the end.

    \b
    tropism experiments plan --task payments --lift -0.1
    tropism experiments plan --task payments --of revenue --lift 0.05 --share 0.2
    tropism experiments plan --rate 0.05 --lift 0.1 --units-per-day 4000 --delay 7d
    tropism experiments plan --mean 12.5 --sd 30 --lift 0.05 --units-per-day 4000
    """
    from tropism.entrypoints.cli.plan_experiments import print_plan

    print_plan(project, given, as_json)


@experiments.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE")
@_ACTOR
@click.pass_obj
def put(project: Path, path: Path, actor: str) -> None:
    """Declare the experiment in a JSON file, or change one that has not started. Nobody takes part before `start`.

    FILE holds what Experiment(...) takes in project.py, or what `show --json` printed:

    \b
    {"name": "two-trees", "task": "payments", "mode": "canary",
     "variants": [{"name": "now"}, {"name": "new", "version": 7}]}

    \b
    tropism experiments put two-trees.json
    """
    from tropism.entrypoints.cli.run_experiments import put_experiment

    put_experiment(project, path, actor or "cli")


@experiments.command()
@click.argument("name")
@_ACTOR
@click.pass_obj
def start(project: Path, name: str, actor: str) -> None:
    """Start an experiment: its first step takes part from now on. Its variants are the versions of this moment.

    \b
    tropism experiments start two-trees
    """
    from tropism.entrypoints.cli.run_experiments import start_experiment

    start_experiment(project, name, actor or "cli")


@experiments.command()
@click.argument("name")
@click.option("--reason", default="", metavar="TEXT", help="Why; others see it.")
@_ACTOR
@click.pass_obj
def stop(project: Path, name: str, reason: str, actor: str) -> None:
    """Stop an experiment before it is decided: the champion answers everybody again. It cannot go on later.

    \b
    tropism experiments stop two-trees --reason "the campaign was cancelled"
    """
    from tropism.entrypoints.cli.run_experiments import stop_experiment

    stop_experiment(project, name, reason, actor or "cli")


@experiments.command()
@click.argument("name")
@click.argument("unit")
@click.option(
    "--with",
    "attributes",
    multiple=True,
    metavar="NAME=VALUE",
    help="A feature that targeting asks for. Values are JSON, or text.",
)
@_JSON
@click.pass_obj
def assign(project: Path, name: str, unit: str, attributes: tuple[str, ...], as_json: bool) -> None:
    """Say which variant UNIT gets, and why. Nothing is recorded.

    UNIT is what requests name as `entity`, or as `unit` where the experiment goes by that.

    \b
    tropism experiments assign two-trees card-7 --with country=DE
    """
    from tropism.entrypoints.cli.show_experiments import show_assignment

    show_assignment(project, name, unit, attributes, as_json)
