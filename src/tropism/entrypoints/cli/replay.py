"""`tropism replay` and `tropism demo`."""

from __future__ import annotations

from pathlib import Path

import click

_POLICIES = "no-change,static,scheduled,loop"


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--target", required=True, help="Column to predict.")
@click.option("--time", help="Time column; file order without it.")
@click.option("--features", help="Columns to predict from, separated by commas (default: all but target and time).")
@click.option("--kind", type=click.Choice(["binary", "multiclass", "regression"]), help="Inferred without it.")
@click.option("--label-delay", default="0", show_default=True, help="When a label is known: events (48) or time (2d).")
@click.option("--policies", default=_POLICIES, show_default=True, help="What to run.")
@click.option(
    "--warmup", type=click.IntRange(1), help="Events before the first model (default: a twentieth, 200 to 2000)."
)
@click.option(
    "--refit-every", type=click.IntRange(1), help="Events between scheduled refits (default: half the warm-up)."
)
@click.option("--learner", default="lightgbm", show_default=True, help="Learner that every policy uses.")
@click.option("--metric", help="Metric that decisions rest on (default: brier, or mae for regression).")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of everything random.")
@click.option("--limit", type=click.IntRange(1), help="Only the first events.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("report"), show_default=True, help="Folder of the report."
)
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the replayed project in this folder.")
def replay(data: Path, policies: str, features: str | None, **options: object) -> None:
    """Stream a historical file through the real platform and compare policies.

    Every event is predicted over HTTP, its outcome is sent after the label delay, and the loop decides, in
    virtual time. No-change, a static model and scheduled refits run beside it on the same events.

    \b
    tropism replay prices.csv --target up --time date --label-delay 2d --out report/
    """
    from tropism.entrypoints.cli.run_replay import run_replay

    names = None if features is None else _listed(features)
    run_replay(data, policies=_listed(policies), features=names, **options)


def _listed(text: str) -> list[str]:
    """Names separated by commas, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo-report"),
    show_default=True,
    help="Folder of the report.",
)
def demo(out: Path) -> None:
    """Watch a model decay and be replaced with evidence, on real data, in under three minutes.

    \b
    tropism demo --out demo-report
    """
    from tropism.entrypoints.cli.run_demo import run_demo

    run_demo(out)
