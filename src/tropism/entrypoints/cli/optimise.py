"""`tropism optimise` and `tropism bundle`: smaller and faster forms of a model."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("version", metavar="MODEL[:VERSION]")
@click.option("--for", "target", type=click.Choice(["cpu", "gpu", "mobile"]), required=True, help="Where it is to run.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0.0, 1.0),
    default=0.002,
    show_default=True,
    help="Loss that may be added: 0.002 is 0.2 points.",
)
@click.option("--out", type=click.Path(path_type=Path), help="With --for mobile: folder of the bundle.")
@click.option("--actor", envvar="USER", default="cli", help="Who does it; goes into the audit trail.")
@click.pass_obj
def optimise(project: Path, version: str, target: str, tolerance: float, out: Path | None, actor: str) -> None:
    """Make a version smaller and faster, and register what stays as good as new versions.

    The champion stays who it is: promote a new version as any other. Without VERSION it is the champion that is
    worked on.

    \b
    tropism optimise payments:3 --for cpu
    """
    from tropism.entrypoints.cli.run_optimise import run_optimise

    if out is not None and target != "mobile":
        raise click.UsageError("--out names the bundle of --for mobile; for others there is `tropism bundle`")
    run_optimise(project, version, target, tolerance, out, actor or "cli")


@click.command()
@click.argument("version", metavar="MODEL[:VERSION]")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write; made if needed.")
@click.pass_obj
def bundle(project: Path, version: str, out: Path) -> None:
    """Write a version as a folder that scores rows with ONNX Runtime alone, without Tropism.

    \b
    tropism bundle payments:3 --out edge/
    python edge/runner.py --check
    """
    from tropism.entrypoints.cli.run_bundle import run_bundle

    run_bundle(project, version, out)
