"""What the commands of levels do, where they change something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from tropism.core.errors import DataInvalid, Fault
from tropism.core.governance_faults import read_governance
from tropism.entrypoints.cli.decision_names import short_name
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.show_governance import print_results
from tropism.entrypoints.governing import Governing
from tropism.entrypoints.supervisor import running

if TYPE_CHECKING:
    from pathlib import Path


def set_policy(project: Path, model: str, path: Path, actor: str) -> None:
    platform = open_project(project)
    task = platform.registry.tasks.get(model)
    try:
        data = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        fix = "write it as `tropism levels MODEL --json` prints it"
        raise DataInvalid("the policy cannot be read", Fault(str(path), str(error), fix)) from error
    policies = Governing(platform).policies
    revision = policies.set(model, read_governance(data, task), actor=actor, now=platform.clock.now())
    click.echo(f"the policy of {model} is written, revision {revision}")


def run_gates(project: Path, model: str, version: int, level: str, actor: str, as_json: bool) -> None:
    platform = open_project(project)
    if running(platform.settings.folder) is None:
        platform.ingest()  # otherwise the worker does it, every moment

    def tell(name: str) -> None:
        if not as_json:
            click.echo(f"running {name} ...", err=True)

    run = Governing(platform).run(model, version, level, actor=actor, progress=tell)
    if as_json:
        click.echo(msgspec.json.encode(run).decode())
    else:
        print_results(run)
        if run.passed:
            click.echo(f"passed; move it: tropism level {model} {version} {level}")
    if not run.passed:
        raise click.exceptions.Exit(1)


def move_level(project: Path, model: str, version: int, to: str, keep: bool, reason: str, actor: str) -> None:
    done = Governing(open_project(project)).move(model, version, to, actor=actor, reason=reason, keep=keep)
    click.echo(f"version {version} of {model} went from {done.before} to {done.level}")
    for other in done.evidence.get("replaces", []):
        click.echo(f"version {other} was there and is retired")


def give_review(
    project: Path, model: str, version: int, level: str, role: str, refuse: bool, comment: str, actor: str
) -> None:
    governing = Governing(open_project(project))
    verdict = "refused" if refuse else "approved"
    words = {"actor": actor, "role": role, "comment": comment}
    found = governing.review(model, version, level, verdict=verdict, **words)  # type: ignore[arg-type]
    click.echo(f"{found.actor} {found.verdict} version {version} of {model} for {level} (review {found.id})")


def answer_promotion(
    project: Path, model: str, version: int, role: str, refuse: bool, comment: str, actor: str
) -> None:
    platform = open_project(project)
    verdict = "refused" if refuse else "approved"
    words = {"actor": actor, "role": role, "comment": comment}
    found = Governing(platform).answer(model, version, verdict=verdict, **words)  # type: ignore[arg-type]
    click.echo(f"{actor} {verdict} that version {version} becomes the champion of {model}")
    if found.promoted is not None:
        decision = short_name(platform.registry, found.promoted.decision_id)
        click.echo(f"version {version} is the champion (decision {decision})")
    elif found.missing:
        click.echo(f"it waits: {found.missing}")


def withdraw_review(project: Path, review: str, actor: str) -> None:
    found = Governing(open_project(project)).withdraw(review, actor=actor)
    click.echo(f"{found.actor} took the review of version {found.version} of {found.model} back")


def retire_version(project: Path, model: str, version: int, reason: str, actor: str) -> None:
    done = Governing(open_project(project)).retire(model, version, actor=actor, reason=reason)
    click.echo(f"version {version} of {model} is retired, from {done.before}; it is kept")


def delete_version(project: Path, model: str, version: int, reason: str, actor: str) -> None:
    left = Governing(open_project(project)).delete(model, version, actor=actor, reason=reason)
    click.echo(f"version {version} of {model} is deleted; its artifact was {left.artifact[:12]}...")
