"""`tropism models`, `promote`, `rollback`, `release`: the registry."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model", required=False)
@click.option("--compare", nargs=2, type=int, metavar="A B", help="Compare two versions of MODEL.")
@click.option("--json", "as_json", is_flag=True, help="Print a comparison as JSON.")
@click.pass_obj
def models(project: Path, model: str | None, compare: tuple[int, int] | None, as_json: bool) -> None:
    """List models, or the versions of one.

    --compare says what differs in metrics, data, parameters, signature and files, how far the scores of the same rows
    lie apart, and which version to take.

    \b
    tropism models payments
    tropism models payments --compare 1 2
    """
    from tropism.entrypoints.cli.show_models import list_models, list_versions

    if as_json and not compare:
        raise click.UsageError("--json goes with --compare A B")
    if compare and not model:
        raise click.UsageError("name the model whose versions to compare: tropism models MODEL --compare A B")
    if model and compare:
        from tropism.entrypoints.cli.show_comparison import show_comparison

        show_comparison(project, model, *compare, as_json)
    elif model:
        list_versions(project, model)
    else:
        list_models(project)


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@click.option("--actor", envvar="USER", default="cli", help="Who does it; goes into the audit trail.")
@click.option("--force", is_flag=True, help="Although the policy asks for an approval. Recorded.")
@click.pass_obj
def promote(project: Path, model: str, version: int, actor: str, force: bool) -> None:
    """Make VERSION the champion of MODEL, or approve a promotion that waits.

    \b
    tropism promote payments 2
    """
    from tropism.entrypoints.cli.show_models import promote_version

    promote_version(project, model, version, actor or "cli", force)


@click.command()
@click.argument("model")
@click.option("--actor", envvar="USER", default="cli", help="Who does it; goes into the audit trail.")
@click.pass_obj
def rollback(project: Path, model: str, actor: str) -> None:
    """Bring the former champion of MODEL back.

    \b
    tropism rollback payments
    """
    from tropism.entrypoints.cli.show_models import roll_back

    roll_back(project, model, actor or "cli")


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@click.option("--reason", required=True, help="Why it may be used again; goes into the audit trail.")
@click.option("--actor", envvar="USER", default="cli", help="Who does it; goes into the audit trail.")
@click.pass_obj
def release(project: Path, model: str, version: int, reason: str, actor: str) -> None:
    """Let VERSION of MODEL out of quarantine.

    A version gets there when a data plane dies in its code. Release it if the machine was to blame, such as one that
    ran out of memory; if it crashes again, it goes back.

    \b
    tropism release payments 2 --reason "the machine had no memory left"
    """
    from tropism.entrypoints.cli.show_models import release_version

    release_version(project, model, version, reason, actor or "cli")
