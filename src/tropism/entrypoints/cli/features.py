"""`tropism features`: the definitions of features."""

from __future__ import annotations

from pathlib import Path

import click

from tropism.entrypoints.cli.features_filling import backfill, import_, materialize, training_set
from tropism.entrypoints.cli.features_fitting import fit
from tropism.entrypoints.cli.features_serving import get, push
from tropism.entrypoints.cli.features_watching import skew, stats

_KINDS = ("view", "on-demand", "stream", "entity")


@click.group()
def features() -> None:
    """Define features once, for training and for serving.

    \b
    In project.py:
      account = Entity("account", key="account_id")
      columns = {"account_id": str, "amount": Decimal(2)}
      payments = StreamSource("payments", timestamp="at", schema=columns)
      sums = [agg.sum("amount", "24h"), agg.count("7d")]
      spend = FeatureView("spend", entity=account, source=payments, fields=sums)
    Then:
      tropism features apply
      tropism features show spend
    """


@features.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@click.option("--actor", envvar="USER", default="cli", help="Who does it; goes into the audit trail.")
@click.pass_obj
def apply(project: Path, yes: bool, dry_run: bool, actor: str) -> None:
    """Show what applying project.py changes, then do it.

    + is created, ~ changes, = stays, - is gone from project.py. A changed view gets a new version; the one before
    goes on serving until it is dropped.

    \b
    tropism features apply --dry-run
    tropism features apply --yes
    """
    from tropism.entrypoints.cli.show_features import apply_features

    apply_features(project, actor or "cli", ask=not yes, dry_run=dry_run)


@features.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_(project: Path, as_json: bool) -> None:
    """List every version that is not dropped.

    \b
    tropism features list
    """
    from tropism.entrypoints.cli.show_features import list_features

    list_features(project, as_json)


@features.command()
@click.argument("name")
@click.option("--version", type=int, help="Another version than the live one.")
@click.option("--kind", type=click.Choice(_KINDS), help="Which, where several kinds have the name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(project: Path, name: str, version: int | None, kind: str | None, as_json: bool) -> None:
    """Show a definition: its features, versions and lineage.

    \b
    tropism features show spend
    tropism features show spend --version 1 --json
    """
    from tropism.entrypoints.cli.show_features import show_feature

    show_feature(project, name, version, (kind,) if kind else _KINDS, as_json)


@features.command()
@click.argument("name")
@click.argument("version", type=int)
@click.option("--kind", type=click.Choice(_KINDS), default="view", show_default=True, help="What NAME is.")
@click.option("--actor", envvar="USER", default="cli", help="Who does it; goes into the audit trail.")
@click.pass_obj
def drop(project: Path, name: str, version: int, kind: str, actor: str) -> None:
    """End the serving of VERSION of NAME. It cannot be taken back.

    \b
    tropism features drop spend 1
    """
    from tropism.entrypoints.cli.show_features import drop_feature

    drop_feature(project, name, version, kind, actor or "cli")


for _command in (backfill, fit, get, import_, materialize, push, skew, stats, training_set):
    features.add_command(_command)
