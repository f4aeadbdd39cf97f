"""`tropism flags`: who gets what, switched without a release."""

from __future__ import annotations

from pathlib import Path

import click

_ACTOR = click.option("--actor", envvar="USER", default="cli", help="Who does it; goes into the audit trail.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def flags() -> None:
    """Feature flags: make them, switch them, and ask why somebody gets what he gets.

    A flag has variants, each a name with a value, and rules in order. The first rule that holds says which variant is
    served; if none does, or the flag is off, the default is. Applications ask by OpenFeature (OFREP) or in-process.

    \b
    tropism flags set new-checkout --rule '-> on:0.1, off:0.9'
    tropism flags evaluate new-checkout --unit user-7
    tropism flags kill new-checkout
    """


@flags.command("list")
@_JSON
@click.pass_obj
def list_flags(project: Path, as_json: bool) -> None:
    """List every flag: whether it is on, its variants, how many rules it has, and when it was evaluated last.

    One that nobody evaluated for 30 days is marked as stale.

    \b
    tropism flags list
    """
    from tropism.entrypoints.cli.show_flags import list_flags as show

    show(project, as_json)


@flags.command()
@click.argument("key")
@_JSON
@click.pass_obj
def show(project: Path, key: str, as_json: bool) -> None:
    """Show a flag: its rules in order, what it needs, what differs in its environments, and how often each of its
    variants was given.

    \b
    tropism flags show new-checkout
    tropism flags show new-checkout --json > flag.json
    """
    from tropism.entrypoints.cli.show_flags import show_flag

    show_flag(project, key, as_json)


@flags.command("set")
@click.argument("key")
@click.option(
    "--type",
    "kind",
    type=click.Choice(["boolean", "string", "number", "json"]),
    help="What its values are. A new flag is boolean, with the variants on and off.",
)
@click.option("--variant", "variants", multiple=True, metavar="NAME=VALUE", help="A variant. Values are JSON, or text.")
@click.option("--default", metavar="NAME", help="The variant of those whom no rule serves, and of all while it is off.")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="'WHEN -> WHAT'",
    help="A rule, in order; WHEN may be empty, WHAT is a variant or shares such as on:0.1, off:0.9.",
)
@click.option("--by", metavar="ATTRIBUTE", help="What shares are told apart by, instead of targetingKey.")
@click.option("--needs", multiple=True, metavar="FLAG=VARIANT", help="Another flag that has to come to this first.")
@click.option("--from", "start", metavar="TIME", help="Off before this time (ISO 8601).")
@click.option("--until", metavar="TIME", help="Off from this time on (ISO 8601).")
@click.option("--environment", metavar="NAME", help="Set the rules of this environment only.")
@click.option("--description", metavar="TEXT", help="What it is for.")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Read the whole flag from a JSON file, as `show --json` prints it.",
)
@click.option("--comment", default="", metavar="TEXT", help="Why; goes into the audit trail.")
@_ACTOR
@click.pass_obj
def set_flag(project: Path, /, key: str, path: Path | None, comment: str, actor: str, **parts: object) -> None:
    """Make a flag, or change the parts of it that are named; what is not named stays as it is.

    WHEN compares attributes of the context: country == "DE" and plan in ("pro", "team"). A comparison with an
    attribute that is missing is false. Shares sum to 1; whoever has the same targetingKey keeps his share, and
    raising the first share moves nobody out of it.

    \b
    tropism flags set new-checkout --description "one page instead of four"
    tropism flags set new-checkout --rule 'country == "DE" -> on' --rule '-> on:0.1, off:0.9'
    tropism flags set banner --type string --variant calm=Hello --variant loud=HELLO! --default calm
    tropism flags set new-checkout --environment staging --rule '-> on'
    """
    from tropism.entrypoints.cli.run_flags import write_flag

    write_flag(project, key, path, parts, comment, actor or "cli")


@flags.command()
@click.argument("key")
@click.argument("position", type=click.Choice(["on", "off"]))
@click.option("--environment", metavar="NAME", help="Only there.")
@_ACTOR
@click.pass_obj
def toggle(project: Path, key: str, position: str, environment: str | None, actor: str) -> None:
    """Switch a flag on or off, everywhere or in one environment. While it is off its default is served.

    \b
    tropism flags toggle new-checkout off
    tropism flags toggle new-checkout on --environment staging
    """
    from tropism.entrypoints.cli.run_flags import toggle_flag

    toggle_flag(project, key, position == "on", environment, actor or "cli")


@flags.command()
@click.argument("key")
@click.option("--undo", is_flag=True, help="End it: the flag is again what it says.")
@_ACTOR
@click.pass_obj
def kill(project: Path, key: str, undo: bool, actor: str) -> None:
    """Switch a flag off in every environment at once, whatever its switches and rules say.

    \b
    tropism flags kill new-checkout
    tropism flags kill new-checkout --undo
    """
    from tropism.entrypoints.cli.run_flags import kill_flag

    kill_flag(project, key, not undo, actor or "cli")


@flags.command()
@click.argument("key")
@_ACTOR
@click.pass_obj
def delete(project: Path, key: str, actor: str) -> None:
    """Delete a flag that no other flag needs. Applications get their own default from then on; its history stays.

    \b
    tropism flags delete new-checkout
    """
    from tropism.entrypoints.cli.run_flags import delete_flag

    delete_flag(project, key, actor or "cli")


@flags.command()
@click.argument("key")
@click.option("--unit", metavar="ID", help="Whom it is asked for: the attribute targetingKey.")
@click.option(
    "--with", "attributes", multiple=True, metavar="NAME=VALUE", help="An attribute. Values are JSON, or text."
)
@click.option("--environment", default="", metavar="NAME", help="Whose rules hold.")
@_JSON
@click.pass_obj
def evaluate(
    project: Path, key: str, unit: str | None, attributes: tuple[str, ...], environment: str, as_json: bool
) -> None:
    """Say what a flag comes to for somebody, and why: a line for each step.

    \b
    tropism flags evaluate new-checkout --unit user-7 --with country=DE --with age=30
    """
    from tropism.entrypoints.cli.show_flags import evaluate_flag

    evaluate_flag(project, key, unit, attributes, environment, as_json)


@flags.command()
@click.argument("key")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@_JSON
@click.pass_obj
def history(project: Path, key: str, limit: int, as_json: bool) -> None:
    """Show who changed a flag, when, and what of it; also of one that was deleted.

    \b
    tropism flags history new-checkout
    """
    from tropism.entrypoints.cli.show_flags import show_history

    show_history(project, key, limit, as_json)
