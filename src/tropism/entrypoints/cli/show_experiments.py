"""What `tropism experiments` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from tropism.core.experiment import BESIDE, SPLIT, Ramp
from tropism.entrypoints.cli.drawing import one_line
from tropism.entrypoints.cli.opening import open_project
from tropism.entrypoints.cli.run_experiments import days_lines, taking_part
from tropism.entrypoints.cli.run_flags import pair
from tropism.entrypoints.cli.show_beside import beside_so_far, print_beside
from tropism.entrypoints.cli.show_evidence import print_evidence
from tropism.entrypoints.cli.tables import moment, print_table
from tropism.entrypoints.experimenting import assignment, evidence_so_far, told, units_so_far

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tropism.core.bandit import Revision
    from tropism.core.experiment import Experiment
    from tropism.core.metric import Metric
    from tropism.entrypoints.experimenting import Assignment
    from tropism.registry.experiments import Trial

_ENDED = {
    "promoted": "its treatment was promoted",
    "kept": "the control was kept",
    "harm": "a treatment did harm",
    "stopped": "it was stopped",
    "superseded": "another champion came",
}
_WHY = {
    "holdout": "it is in the holdout, which never sees a treatment",
    "namespace": "it is outside of the experiment's part of the namespace",
    "targeting": "the targeting rule is not true of it",
    "ramp": "the ramp has not let it in yet",
    "ended": "the experiment has ended",
}


def list_experiments(project: Path, task: str | None, status: str | None, as_json: bool) -> None:
    registry = open_project(project).registry
    if task is not None:
        registry.tasks.get(task)
    found = registry.experiments.all(task, status)
    if as_json:
        _print_json([told(trial) for trial in found])
        return
    if not found:
        click.echo(
            "there is none of these" if task or status else "no experiments yet: tropism experiments put FILE.json"
        )
        return
    rows = [(one.name, one.task, one.spec.mode, _status(one), _share(one), _variants(one)) for one in found]
    print_table(("experiment", "task", "mode", "status", "share", "variants"), rows)


def _status(trial: Trial) -> str:
    return trial.status if trial.ending is None else f"{trial.status}: {trial.ending}"


def _share(trial: Trial) -> float | None:
    return trial.share if trial.status == "running" else None


def _variants(trial: Trial) -> str:
    versions = {one.name: trial.versions.get(one.name, one.version) for one in trial.spec.variants}
    return ", ".join(name if version is None else f"{name} ({version})" for name, version in versions.items())


def show_experiment(project: Path, name: str, as_json: bool) -> None:
    platform = open_project(project)
    trial = platform.registry.experiments.get(name)
    units, evidence = units_so_far(platform, trial), evidence_so_far(platform, trial)
    beside = beside_so_far(platform, trial)
    if as_json:
        _print_json({**told(trial), "units": units, "evidence": evidence, "beside": beside})
        return
    spec = trial.spec
    click.echo(f"{click.style(trial.name, bold=True)} ({spec.mode} of {trial.task}), {_since(trial)}")
    if spec.description:
        click.echo(one_line(spec.description, 2_000))
    click.echo()
    _print_variants(trial, units)
    if spec.mode == "bandit":
        _print_shares(trial, platform.registry.bandits.history(name))
    click.echo()
    for line in (*_ramp_lines(trial), *_audience_lines(spec), *(_metric_line(one) for one in spec.metrics)):
        click.echo(line)
    counted = "outcomes" if spec.mode in BESIDE else "units"
    click.echo(
        f"decided: at least {spec.min_units} {counted} of each, at most {spec.max_duration}, alpha {spec.alpha:.4g} "
        f"({spec.harm_alpha:.4g} for harm), {'by itself' if spec.automatic else 'after an approval'}"
    )
    for line in days_lines(platform, trial):
        click.echo(line)
    if beside is not None:
        click.echo()
        print_beside(beside)
    if evidence is not None:
        click.echo()
        print_evidence(evidence)


def _since(trial: Trial) -> str:
    if trial.started_at is None:
        return f"declared {moment(trial.created_at)} UTC, not started"
    if trial.ended_at is None or trial.ending is None:
        return f"running since {moment(trial.started_at)} UTC: {taking_part(trial)}"
    reason = f": {one_line(trial.reason, 400)}" if trial.reason else ""
    decision = f" (tropism decisions show {trial.decision_id})" if trial.decision_id else ""
    span = f"{moment(trial.started_at)} to {moment(trial.ended_at)} UTC"
    return f"{span}, {_ENDED[trial.ending]}{reason}{decision}"


def _print_variants(trial: Trial, units: dict[str, int]) -> None:
    spec, rows = trial.spec, []
    for variant in spec.variants:
        version = trial.versions.get(variant.name, variant.version)
        role = "control" if variant is spec.control else "treatment"
        weight = variant.weight if spec.mode in SPLIT else None
        version_said = "champion" if version is None else str(version)
        answered = None if spec.mode in BESIDE else units[variant.name]
        rows.append((variant.name, role, version_said, weight, answered))
    print_table(("variant", "", "version", "weight", "units"), rows)


def _print_shares(trial: Trial, revisions: Sequence[Revision]) -> None:
    """How a bandit's shares moved, the last ten times."""
    names = [variant.name for variant in trial.spec.variants]
    settings = trial.spec.shared_by
    click.echo(f"\nshared by {settings.policy}, each at least {settings.floor:.4g}")
    if not revisions:
        click.echo("the shares have not moved yet: they are the weights")
        return
    rows = [(moment(one.at), one.rows, *(one.shares[name] for name in names)) for one in revisions[-10:]]
    print_table(("since", "learned from", *names), rows)


def _ramp_lines(trial: Trial) -> list[str]:
    steps = trial.spec.steps
    if len(steps) == 1:
        return []
    here = trial.step if trial.status == "running" else None
    shown = ", ".join(f"[{step:.4g}]" if place == here else f"{step:.4g}" for place, step in enumerate(steps))
    return [f"ramp: {shown}, each for at least {(trial.spec.ramp or Ramp()).hold}"]


def _audience_lines(spec: Experiment) -> list[str]:
    lines = [f"for: {one_line(spec.targeting, 1_000) or 'everybody'}, told apart by '{spec.unit}'"]
    if spec.namespace is not None:
        space = spec.namespace
        lines.append(f"namespace: {one_line(space.name, 100)} from {space.start:.4g} to {space.end:.4g}")
    if spec.holdout:
        lines.append(f"holdout: {spec.holdout:.4g}")
    return lines


def _metric_line(metric: Metric) -> str:
    of = f"{one_line(metric.of, 100)} / {one_line(metric.over, 100)}" if metric.kind == "ratio" else metric.of
    kind = f"{metric.quantile:.4g} quantile" if metric.kind == "quantile" else metric.kind
    better = "more" if metric.goal == "increase" else "less"
    margin = ""
    if metric.role == "guardrail":
        margin = f", must not be worse by more than {metric.margin:.4g}{' of it' if metric.relative else ''}"
    return f"{metric.role}: {metric.name}, the {kind} of {one_line(of, 220)}, {better} is better{margin}"


def show_assignment(project: Path, name: str, unit: str, attributes: Iterable[str], as_json: bool) -> None:
    known = dict(pair(one, "--with") for one in attributes)
    found = assignment(open_project(project), name, unit, known)
    if as_json:
        _print_json(msgspec.to_builtins(found))
        return
    if found.variant is None:
        click.echo(f"no variant: {_WHY[found.why]}; the champion answers it")
    else:
        click.echo(f"{click.style(found.variant, bold=True)} ({_answers(found)})")
    if found.status == "draft":
        click.echo(f"{name} has not started: so it will be at a share of {found.share:.4g}, its first step")


def _answers(found: Assignment) -> str:
    return "the champion" if found.version is None else f"version {found.version}"


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())
