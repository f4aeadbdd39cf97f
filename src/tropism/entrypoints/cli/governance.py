"""`tropism gates`, `level`, `levels`, `review`, `approve`, `retire`, `delete`, `card`: where versions stand; why."""

from __future__ import annotations

from pathlib import Path

import click

_ACTOR = click.option("--actor", envvar="USER", default="cli", help="Who does it; goes into the audit trail.")
_REASON = click.option("--reason", default="", metavar="TEXT", help="Why; others see it.")


@click.command()
@click.argument("model")
@click.option("--set", "path", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
              help="Write the policy in this JSON file.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_ACTOR
@click.pass_obj
def levels(project: Path, model: str, path: Path | None, as_json: bool, actor: str) -> None:
    """Show the levels of MODEL, what each asks for, and which versions stand on them.

    \b
    tropism levels payments
    tropism levels payments --json > levels.json
    tropism levels payments --set levels.json
    """
    if path is not None:
        from tropism.entrypoints.cli.run_governance import set_policy

        set_policy(project, model, path, actor or "cli")
        return
    from tropism.entrypoints.cli.show_governance import show_levels

    show_levels(project, model, as_json)


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@click.option("--level", required=True, metavar="LEVEL", help="The level to come to, such as staging.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_ACTOR
@click.pass_obj
def gates(project: Path, model: str, version: int, level: str, as_json: bool, actor: str) -> None:
    """Run the gates of a level on a version, and keep what they found. The exit status is 1 if one does not pass.

    \b
    tropism gates payments 2 --level staging
    """
    from tropism.entrypoints.cli.run_governance import run_gates

    run_gates(project, model, version, level, actor or "cli", as_json)


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@click.argument("to", metavar="[LEVEL]", required=False)
@click.option("--keep", is_flag=True, help="Leave the version that is there now where it is.")
@_REASON
@_ACTOR
@click.pass_obj
def level(project: Path, model: str, version: int, to: str | None, keep: bool, reason: str, actor: str) -> None:
    """Move a version to LEVEL, or show where it stands and how it got there.

    Up, the gates of LEVEL must have passed. `none` takes it down, and brings a retired one back.

    \b
    tropism level payments 2
    tropism level payments 2 staging
    """
    if to is None:
        from tropism.entrypoints.cli.show_governance import show_level

        show_level(project, model, version)
        return
    from tropism.entrypoints.cli.run_governance import move_level

    move_level(project, model, version, to, keep, reason, actor or "cli")


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@click.option("--level", metavar="LEVEL", help="The level that the version would come to.")
@click.option("--role", default="", metavar="ROLE", help="The role in which you review.")
@click.option("--refuse", is_flag=True, help="Refuse it; otherwise this approves.")
@click.option("--comment", default="", metavar="TEXT", help="Why; others see it.")
@click.option("--withdraw", metavar="ID", help="Take your review of this id back.")
@_ACTOR
@click.pass_obj
def review(
    project: Path,
    model: str,
    version: int,
    level: str | None,
    role: str,
    refuse: bool,
    comment: str,
    withdraw: str | None,
    actor: str,
) -> None:
    """Approve or refuse that a version comes to a level, or list its reviews.

    Nobody reviews a version that he registered. An approval is good once, and for as long as the policy says.

    \b
    tropism review payments 2
    tropism review payments 2 --level production --role risk --comment "checked the segments"
    """
    from tropism.entrypoints.cli import run_governance, show_governance

    if withdraw is not None:
        run_governance.withdraw_review(project, withdraw, actor or "cli")
    elif level is not None:
        run_governance.give_review(project, model, version, level, role, refuse, comment, actor or "cli")
    elif role or refuse or comment:
        raise click.UsageError("name the level: tropism review MODEL VERSION --level LEVEL")
    else:
        show_governance.show_reviews(project, model, version)


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@click.option("--role", default="", metavar="ROLE", help="The role in which you approve.")
@click.option("--refuse", is_flag=True, help="Refuse it, for good; otherwise this approves.")
@click.option("--comment", default="", metavar="TEXT", help="Why; others see it.")
@_ACTOR
@click.pass_obj
def approve(project: Path, model: str, version: int, role: str, refuse: bool, comment: str, actor: str) -> None:
    """Approve or refuse a promotion that waits. Once enough people approved, the version is the champion.

    Nobody approves a version that he registered or proposed.

    \b
    tropism approve payments 3 --role risk --comment "checked the segments"
    """
    from tropism.entrypoints.cli.run_governance import answer_promotion

    answer_promotion(project, model, version, role, refuse, comment, actor or "cli")


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@_REASON
@_ACTOR
@click.pass_obj
def retire(project: Path, model: str, version: int, reason: str, actor: str) -> None:
    """Take a version off all levels. It is kept; `tropism level MODEL VERSION none` brings it back.

    \b
    tropism retire payments 1 --reason "two seasons old"
    """
    from tropism.entrypoints.cli.run_governance import retire_version

    retire_version(project, model, version, reason, actor or "cli")


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with the version's number.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_ACTOR
@click.pass_obj
def delete(project: Path, model: str, version: int, reason: str, yes: bool, actor: str) -> None:
    """Delete the artifact of a version for good. Who did it, when and why stays.

    \b
    tropism delete payments 1 --reason "asked to by legal"
    """
    if not yes:
        click.confirm(f"delete version {version} of {model} for good?", abort=True)
    from tropism.entrypoints.cli.run_governance import delete_version

    delete_version(project, model, version, reason, actor or "cli")


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@click.option("--format", "form", type=click.Choice(["markdown", "html", "json"]), default="markdown",
              show_default=True, help="What to write it as.")  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it to a file.")
@click.pass_obj
def card(project: Path, model: str, version: int, form: str, output: Path | None) -> None:
    """Write the model card of a version: purpose, data, metrics, limits, levels and gates, lineage, decisions.

    \b
    tropism card payments 2 --format html --output card.html
    """
    from tropism.entrypoints.cli.show_governance import show_card

    show_card(project, model, version, form, output)
