"""`tropism decisions`: what was decided, on which evidence."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(invoke_without_command=True)
@click.option("--task", help="Only this task's.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@click.option("--all", "everything", is_flag=True, help="Also the looks that ended with `wait`.")
@click.pass_context
def decisions(context: click.Context, task: str | None, limit: int, everything: bool) -> None:
    """List decisions, newest first; `tropism decisions show ID` recomputes one.

    \b
    tropism decisions --task payments
    tropism decisions show 75be-99b7
    """
    if context.invoked_subcommand is not None:
        return
    from tropism.entrypoints.cli.show_decisions import list_decisions

    list_decisions(context.obj, task, limit, everything)


@decisions.command()
@click.argument("decision")
@click.option("--json", "as_json", is_flag=True, help="Print the evidence as JSON.")
@click.option("--no-recompute", is_flag=True, help="Only show what was stored.")
@click.pass_obj
def show(project: Path, decision: str, as_json: bool, no_recompute: bool) -> None:
    """Show a decision's evidence, and find it again from the lake. DECISION may be a part of an id.

    \b
    tropism decisions show 75be-99b7
    """
    from tropism.entrypoints.cli.show_decisions import show_decision

    show_decision(project, decision, as_json, recompute=not no_recompute)
