"""What the units of an experiment so far say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism.core.clock import DAY
from tropism.core.durations import parse_duration
from tropism.core.errors import InvalidInput
from tropism.experiments.sample_ratio import sample_ratio
from tropism.experiments.splits.analysis import analyse
from tropism.experiments.splits.decision import decide, shared_alphas
from tropism.experiments.splits.novelty import novelty
from tropism.loop.exposures import SETTLED, arms, exposed, history, matured_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tropism.core.metric import Metric
    from tropism.core.task import Task
    from tropism.experiments.splits.analysis import Analysis
    from tropism.experiments.splits.arms import Arm
    from tropism.experiments.splits.decision import Alphas
    from tropism.experiments.splits.novelty import Novelty
    from tropism.feedback.cohorts import LakeVersions
    from tropism.loop.exposures import Exposed
    from tropism.loop.services import Services
    from tropism.registry.experiments import Trial

    Floats = NDArray[Any]

_MOST = 1_000
"""Decisions that are looked through for the steps of a ramp."""


class Compared(NamedTuple):
    """By treatment: the analyses of the metrics that both it and the control have, and why the others have none."""

    analyses: dict[str, list[Analysis]]
    unmeasured: dict[str, dict[str, str]]


def split_evidence(
    services: Services,
    task: Task,
    trial: Trial,
    *,
    now: int,
    lake: LakeVersions,
    steps: Sequence[int] | None = None,
) -> dict[str, Any]:
    """What the units of an experiment say, as plain values. The same arguments give the same evidence.

    `steps`: the moments at which a canary's share grew, as they are in the registry unless given.
    """
    spec, steps = trial.spec, steps_of(services, trial) if steps is None else steps
    found = exposed(services.cohorts, task, trial, now=now, lake=lake, steps=steps)
    before = history(services.cohorts, task, trial, found, lake=lake)
    split, compared = sample_ratio(*_split(trial, found)), compare(task, trial, found, before)
    days = (matured_whole(task, now) - (trial.started_at or now)) / DAY
    duration = parse_duration(spec.max_duration) / DAY
    common = {"comparison": "split", "experiment": trial.name, "now": now, "lake": msgspec.to_builtins(lake)}
    common |= {"trial": msgspec.to_builtins(trial), "metric": task.metric_name, "n": found.table.num_rows}
    common |= {"outcome_window": task.outcome_window}
    common |= {"split": msgspec.to_builtins(split), "analyses": msgspec.to_builtins(compared.analyses)}
    common |= {"steps": list(steps), "unmeasured": compared.unmeasured}
    common |= {"novelty": msgspec.to_builtins(_fading(task, trial, found))}
    missing = [name for name in compared.analyses if _absent(trial, found, name)]
    if missing:
        reason = f"no matured units of both the control and {', '.join(missing)} yet"
        return common | {"action": "keep" if days >= duration else "extend", "treatment": "", "reason": reason}
    said = decide(
        compared.analyses,
        split,
        days=days,
        duration=duration,
        alpha=spec.alpha,
        harm_alpha=spec.harm_alpha,
        unmeasured=_needed(trial, compared.unmeasured),
        alike=[one for one, version in trial.versions.items() if version == trial.versions[spec.control.name]],
    )
    return {**common, **msgspec.to_builtins(said)}


def steps_of(services: Services, trial: Trial) -> tuple[int, ...]:
    """The moments (µs) at which a canary's share grew so far, in order; none of another experiment: nobody changes
    the variant there."""
    first, last = trial.started_at or 0, trial.stepped_at or 0
    if trial.spec.mode != "canary" or last <= first:
        return ()
    known = services.registry.decisions.list(trial.task, _MOST, kind="advance")
    own = {one.at for one in known if one.evidence.get("experiment") == trial.name and first < one.at < last}
    return (*sorted(own), last)


def compare(task: Task, trial: Trial, found: Exposed, before: Mapping[str, Floats]) -> Compared:
    """Each metric of each treatment against the control."""
    spec = trial.spec
    guardrails = sum(metric.role == "guardrail" for metric in spec.metrics)
    alphas = shared_alphas(spec.alpha, spec.harm_alpha, treatments=len(spec.variants) - 1, guardrails=guardrails)
    told = Compared({one.name: [] for one in spec.variants[1:]}, {})
    for metric in spec.metrics:
        try:
            measured, why = arms(task, trial, metric, found, before), ""
        except InvalidInput as error:
            measured, why = {}, error.message
        for treatment in told.analyses:
            analysis = why or _analysis(trial, metric, measured, treatment, alphas)
            if isinstance(analysis, str):
                told.unmeasured.setdefault(treatment, {})[metric.name] = analysis
            else:
                told.analyses[treatment].append(analysis)
    return told


def _analysis(trial: Trial, metric: Metric, found: Mapping[str, Arm], treatment: str, alphas: Alphas) -> Analysis | str:
    """What the two say of a metric, or why they say nothing."""
    control = trial.spec.control.name
    absent = [name for name in (control, treatment) if name not in found]
    if absent:
        return f"no matured unit of {' and '.join(repr(name) for name in absent)} has it yet"
    try:
        return analyse(
            metric,
            found[control],
            found[treatment],
            treatment_name=treatment,
            alpha=alphas.alpha,
            harm_alpha=alphas.harm_alpha,
            min_units=trial.spec.min_units,
        )
    except InvalidInput as error:
        return error.message


def _fading(task: Task, trial: Trial, found: Exposed) -> dict[str, Novelty]:
    """Of each treatment, whether those exposed early are affected otherwise than those exposed later, by the metric
    that decides. Per prediction: who was exposed early has more of them."""
    metric = trial.spec.decision
    told: dict[str, Novelty] = {}
    if metric.kind == "quantile":
        return told
    if metric.kind != "ratio":
        metric = msgspec.structs.replace(metric, kind="ratio", over="predictions")
    control = trial.spec.control.name
    try:
        measured = arms(task, trial, metric, found._replace(stratum=found.first))
        for treatment in trial.spec.variants[1:]:
            if control in measured and treatment.name in measured:
                told[treatment.name] = novelty(metric, measured[control], measured[treatment.name])
    except InvalidInput:  # the analysis says why
        return {}
    return told


def _split(trial: Trial, found: Exposed) -> tuple[list[int], list[float]]:
    """Units of each variant since the last step, and the weights that they should have."""
    counts = found.counts((trial.stepped_at or 0) + SETTLED)
    if trial.spec.mode == "canary":
        return counts, [1 - trial.share, trial.share] if trial.share < 1 else [1e-9, 1.0]
    return counts, [one.weight for one in trial.spec.variants]


def _absent(trial: Trial, found: Exposed, treatment: str) -> bool:
    """Whether the control or a treatment has no units at all."""
    names = [one.name for one in trial.spec.variants]
    return not (found.seen[0].any() and found.seen[names.index(treatment)].any())


def _needed(trial: Trial, unmeasured: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Without the metrics that decide nothing."""
    observed = {metric.name for metric in trial.spec.metrics if metric.role == "observed"}
    return {
        treatment: needed
        for treatment, said in unmeasured.items()
        if (needed := {name: why for name, why in said.items() if name not in observed})
    }
