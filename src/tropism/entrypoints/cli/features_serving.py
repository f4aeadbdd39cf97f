"""`tropism features get` and `push`: values of features, and events for them."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--key", "keys", multiple=True, metavar="NAME=VALUE", help="Key of an entity; again for the next one.")
@click.option(
    "--request", "requests", multiple=True, metavar="NAME=VALUE", help="What on-demand features are computed from."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def get(project: Path, names: tuple[str, ...], keys: tuple[str, ...], requests: tuple[str, ...], as_json: bool) -> None:
    """Show the features NAMES of entities as they are now.

    NAMES are views (spend), versions of them (spend@1), features (spend.count_7d) or on-demand features. They are read
    from the project's stores; it need not be up.

    \b
    tropism features get spend profile --key account_id=a-1 --key account_id=a-2
    tropism features get amount_ratio --key account_id=a-1 --request amount=20
    """
    from tropism.entrypoints.cli.run_features_serving import get_features

    get_features(project, names, keys, requests, as_json)


@click.command()
@click.argument("stream")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True), default="-")
@click.option("--batch", type=click.IntRange(1), default=100, show_default=True, help="Events a request.")
@click.option("--url", help="Where the project is up (default: as it was started).")
@click.pass_obj
def push(project: Path, stream: str, file: Path, batch: int, url: str | None) -> None:
    """Push the events of FILE into STREAM of the running project.

    FILE has one JSON object a line; without it, or with -, standard input is read. Each batch is recorded as a whole
    or not at all. Giving the same command again within a day goes on where it stopped: lines that were taken, with the
    same --batch, count once.

    \b
    tropism features push payments march.jsonl
    tail -n 1000 payments.jsonl | tropism features push payments
    """
    from tropism.entrypoints.cli.run_features_serving import push_events

    push_events(project, stream, file, batch, url)
