"""`tropism runs`: what trainings logged, and how they compare."""

from __future__ import annotations

from pathlib import Path

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def runs() -> None:
    """What trainings logged: parameters, metrics by step, files; and how several compare.

    Each training of the loop, of `tropism train` and of `tropism optimise` is a run in the experiment tropism/TASK.
    MLflow's clients log runs here too, and so does tropism.tracking.start_run in a script.

    \b
    tropism runs list --task payments
    tropism runs show payments-db7441d8caf5
    tropism runs compare 3f2a 91bc --output compare.html
    """


@runs.command("list")
@click.option("--task", metavar="TASK", help="Only the trainings of this task.")
@click.option("--experiment", metavar="NAME", help="Only the runs of this experiment.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many, newest first.")
@_JSON
@click.pass_obj
def list_(project: Path, task: str | None, experiment: str | None, limit: int, as_json: bool) -> None:
    """List runs, the last started first.

    \b
    tropism runs list
    tropism runs list --task payments --limit 5
    """
    from tropism.entrypoints.cli.show_runs import list_runs

    if task is not None and experiment is not None:
        raise click.UsageError("--task names an experiment already; give one of --task and --experiment")
    list_runs(project, task, experiment, limit, as_json)


@runs.command()
@click.argument("run")
@_JSON
@click.option("--file", "path", metavar="PATH", help="Print this file of the run, such as architecture.txt.")
@click.option("--output", type=click.Path(path_type=Path), help="With --file: write it there.")
@click.pass_obj
def show(project: Path, run: str, as_json: bool, path: str | None, output: Path | None) -> None:
    """Show a run. RUN is its id, the beginning of it, or its name.

    \b
    tropism runs show 3f2a
    tropism runs show 3f2a --file architecture.txt
    tropism runs show 3f2a --file plots/learning_curve.svg --output curve.svg
    """
    from tropism.entrypoints.cli.show_runs import show_file, show_run

    if output is not None and path is None:
        raise click.UsageError("--output says where --file goes; give both")
    if path is not None:
        show_file(project, run, path, output)
    else:
        show_run(project, run, as_json)


@runs.command()
@click.argument("ids", nargs=-1, metavar="[RUN]...")
@click.option("--task", metavar="TASK", help="Compare the last trainings of this task.")
@click.option("--experiment", metavar="NAME", help="Compare the last runs of this experiment.")
@click.option("--limit", type=click.IntRange(2, 100), default=20, show_default=True, help="How many of them.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Compare this metric; the first one decides.")
@click.option("--better", type=click.Choice(["more", "less"]), help="Whether more or less of the first is better.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write charts there: a .html page or an .svg."
)
@_JSON
@click.pass_obj
def compare(
    project: Path,
    ids: tuple[str, ...],
    task: str | None,
    experiment: str | None,
    limit: int,
    metrics: tuple[str, ...],
    better: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Compare runs: figures, parameters that differ, what goes with what, tests on equal rows, and which to take.

    \b
    tropism runs compare 3f2a 91bc
    tropism runs compare --task payments --metric auc --output compare.html
    """
    from tropism.entrypoints.cli.run_runs import compare_named

    if sum((bool(ids), task is not None, experiment is not None)) != 1:
        raise click.UsageError("name runs, or give one of --task and --experiment")
    if output is not None and output.suffix.lower() not in (".html", ".svg"):
        raise click.UsageError("--output ends in .html or .svg")
    compare_named(project, ids, (task, experiment, limit), metrics, better, output, as_json)
