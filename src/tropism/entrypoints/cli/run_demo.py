"""What `tropism demo` does."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tropism.core.clock import iso
from tropism.core.task import Gate, Policy, Triggers
from tropism.entrypoints.cli.run_replay import show_replay
from tropism.entrypoints.replay.nasdaq import TARGET, write_nasdaq
from tropism.entrypoints.replay.run import Plan
from tropism.entrypoints.replay.stream import read_stream

if TYPE_CHECKING:
    from tropism.entrypoints.replay.record import Decision
    from tropism.entrypoints.replay.run import Replay

_INTRODUCTION = """\
The Nasdaq composite, 1999 to 2018. Each day a model predicts how far the index will range tomorrow, in points.
Its predictions go over HTTP to a real Tropism: data plane, control plane and worker run on this machine now.
The world changes under the model. Four policies meet the same days:
  no-change   tomorrow will be like today
  static      one model, trained on the first three years, never touched
  scheduled   the same learner, refitted every 500 days, without asking
  loop        Tropism: trains a challenger when there is a reason, replaces the champion only on evidence
"""


_POLICY = Policy(
    triggers=Triggers(new_outcomes=250, cooldown=250, decay=0.5, decay_rows=62),
    gate=Gate(max_outcomes=1_000),
    windows=("all",),
    recent=500,
    min_training=100,
    challengers=1,
    rollback_outcomes=1_000,
)
DEMO: dict[str, Any] = {"warmup": 750, "refit_every": 500, "look_every": 25, "policy": _POLICY}
"""How the demo is replayed: after three years, with a policy for a slow stream where all history stays useful."""


def run_demo(out: Path) -> None:
    started = time.monotonic()
    click.echo(_INTRODUCTION)
    with tempfile.TemporaryDirectory(prefix="tropism-demo-") as folder:
        path = Path(folder) / "nasdaq.parquet"
        write_nasdaq(path)
        stream = read_stream(path, target=TARGET, time="day", label_delay="1")
        found = show_replay(stream, Plan(**DEMO, command="tropism demo"), out)
    click.echo()
    _tell(found)
    click.echo(f"\nThat took {time.monotonic() - started:.0f} seconds. The report, with charts: {found.html}")
    click.echo("Next, with a file of your own:  tropism replay data.csv --target COLUMN --time COLUMN --label-delay 2d")
    click.echo("Or start a project:             tropism init my-project && tropism -C my-project up")


def _tell(found: Replay) -> None:
    """What happened, decision by decision, in words."""
    for decision in found.report.decisions:
        sentence = _sentence(decision)
        if sentence:
            click.echo(f"  {iso(decision.at)[:10]}  {sentence}")
    policies = {policy.name: policy for policy in found.report.policies}
    loop, static = policies["loop"], policies["static"]
    click.echo(
        f"Mean error: static {static.prequential:.1f} points, loop {loop.prequential:.1f} "
        f"with {loop.models_trained} models trained; scheduled {policies['scheduled'].prequential:.1f} "
        f"with {policies['scheduled'].models_trained}; no-change {policies['no-change'].prequential:.1f}."
    )


def _sentence(decision: Decision) -> str:
    evidence = decision.evidence
    if decision.kind == "promote" and evidence.get("comparison") == "baseline":
        return f"version {decision.version} is the first champion: better than the best baseline on later days"
    if decision.kind == "promote":
        return (
            f"version {decision.version} replaced version {evidence['incumbent']['version']}: error lower by "
            f"{evidence['estimate']:.1f} points over {evidence['n']} later days, at least {evidence['lower']:.2g}"
        )
    if decision.kind == "rollback":
        return f"rolled back to version {decision.version}: it was better after all"
    if decision.kind == "reject" and "n" in evidence:
        return f"version {decision.version} was rejected: no proof of being better over {evidence['n']} days"
    return ""
