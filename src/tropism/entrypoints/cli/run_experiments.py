"""What the commands of `tropism experiments` change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from tropism.core.errors import DataInvalid, Fault, NotFound
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.tables import moment
from tropism.entrypoints.experimenting import counts_from, read_experiment

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.core.experiment import Experiment
    from tropism.registry.experiments import Trial
    from tropism.wiring import Platform


def put_experiment(project: Path, path: Path, actor: str) -> None:
    spec = _read(path)
    platform = open_project(project)
    store = platform.registry.experiments
    try:
        before = store.get(spec.name).spec
    except NotFound:
        before = None
    trial = store.put(spec, actor=actor, now=platform.clock.now())
    said = "is so already" if before == spec else "is declared" if before is None else "is changed"
    click.echo(f"{trial.name} {said}")
    if trial.status == "draft":
        click.echo(f"start it: tropism experiments start {trial.name}")


def _read(path: Path) -> Experiment:
    """The experiment in a file, alone or as `show --json` prints it. Raises: DataInvalid, InvalidInput."""
    try:
        data = msgspec.json.decode(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        fault = Fault("FILE", str(path), f"name a JSON file: {error}")
        raise DataInvalid("the file cannot be read", fault) from error
    return read_experiment(data.get("spec", data) if isinstance(data, dict) else data)


def start_experiment(project: Path, name: str, actor: str) -> None:
    platform = open_project(project)
    trial = platform.registry.experiments.start(name, actor=actor, now=platform.clock.now())
    click.echo(f"{trial.name} runs: {taking_part(trial)}")
    for line in days_lines(platform, trial):
        click.echo(line)
    click.echo(f"follow it: tropism experiments show {trial.name}")


def stop_experiment(project: Path, name: str, reason: str, actor: str) -> None:
    platform = open_project(project)
    now = platform.clock.now()
    trial = platform.registry.experiments.end(name, "stopped", actor=actor, now=now, reason=reason)
    click.echo(f"{trial.name} is stopped: the champion of {trial.task} answers everybody")


def taking_part(trial: Trial) -> str:
    """Who takes part at the share of now, in words."""
    share = f"{trial.share:.4g}"
    if trial.spec.mode == "shadow":
        return "the control answers everybody, and each treatment is compared with it on the same predictions"
    if trial.spec.mode == "mirrored":
        return "the control answers everybody, and each treatment is sent what it answered"
    if trial.spec.mode == "canary":
        treatment = trial.spec.variants[1].name
        return f"a share of {share} of its units gets '{treatment}'"
    return f"a share of {share} of its units takes part"


def days_lines(platform: Platform, trial: Trial) -> list[str]:
    """When a running experiment that splits units can say more than now."""
    found = counts_from(platform, trial)
    if found is None:
        return []
    at, first = found
    when = "none counts before" if first else "the next counts after"
    return [f"days (UTC) count once they are over and their outcome windows closed: {when} {moment(at)}"]
