"""What the units of an experiment so far say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow.compute as pc

from tropism.core.clock import DAY, SECOND
from tropism.core.durations import parse_duration
from tropism.experiments.sample_ratio import sample_ratio
from tropism.experiments.splits.analysis import analyse
from tropism.experiments.splits.decision import decide, shared_alphas
from tropism.loop.exposures import arms, exposed, matured_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from tropism.core.metric import Metric
    from tropism.core.task import Task
    from tropism.experiments.splits.analysis import Analysis
    from tropism.experiments.splits.arms import Arm
    from tropism.feedback.cohorts import LakeVersions
    from tropism.loop.services import Services
    from tropism.registry.experiments import Trial

_SETTLED = 60 * SECOND
"""Every data plane follows a step of the ramp by then."""


def split_evidence(services: Services, task: Task, trial: Trial, *, now: int, lake: LakeVersions) -> dict[str, Any]:
    """What the units of an experiment say, as plain values. The same arguments give the same evidence."""
    spec, table = trial.spec, exposed(services.cohorts, task, trial, now=now, lake=lake)
    split, found = sample_ratio(*_split(trial, table)), _analyses(task, trial, table)
    days = (matured_whole(task, now) - (trial.started_at or now)) / DAY
    duration = parse_duration(spec.max_duration) / DAY
    common = {"comparison": "split", "experiment": trial.name, "now": now, "lake": msgspec.to_builtins(lake)}
    common |= {"trial": msgspec.to_builtins(trial), "metric": task.metric_name, "n": table.num_rows}
    common |= {"split": msgspec.to_builtins(split), "analyses": msgspec.to_builtins(found)}
    if not all(found.values()):
        missing = [name for name, analyses in found.items() if not analyses]
        reason = f"no matured units of both the control and {', '.join(missing)} yet"
        return common | {"action": "keep" if days >= duration else "extend", "treatment": "", "reason": reason}
    said = decide(found, split, days=days, duration=duration, alpha=spec.alpha, harm_alpha=spec.harm_alpha)
    return {**common, **msgspec.to_builtins(said)}


def _analyses(task: Task, trial: Trial, table: pa.Table) -> dict[str, list[Analysis]]:
    """Of each treatment, the metrics that units of both sides have."""
    spec = trial.spec
    guardrails = sum(metric.role == "guardrail" for metric in spec.metrics)
    alphas = shared_alphas(spec.alpha, spec.harm_alpha, treatments=len(spec.variants) - 1, guardrails=guardrails)
    measured = [(metric, arms(task, trial, metric, table)) for metric in spec.metrics]
    found: dict[str, list[Analysis]] = {}
    for treatment in spec.variants[1:]:
        own = [_analysis(trial, metric, values, treatment.name, alphas) for metric, values in measured]
        found[treatment.name] = [one for one in own if one is not None]
    return found


def _split(trial: Trial, table: pa.Table) -> tuple[list[int], list[float]]:
    """Units of each variant since the last step, and the weights that they should have."""
    since = (trial.stepped_at or 0) + _SETTLED
    fresh = table.filter(pc.greater_equal(table["at"], pc.cast(since, table["at"].type)))
    units = np.asarray(fresh[trial.spec.unit].to_pylist(), dtype=object)
    variants = np.asarray(fresh["variant"].to_pylist(), dtype=object)
    names = [one.name for one in trial.spec.variants]
    counts = [len(set(units[variants == f"{trial.name}/{name}"].tolist())) for name in names]
    if trial.spec.mode == "canary":
        return counts, [1 - trial.share, trial.share] if trial.share < 1 else [1e-9, 1.0]
    return counts, [one.weight for one in trial.spec.variants]


def _analysis(
    trial: Trial, metric: Metric, found: Mapping[str, Arm], treatment: str, alphas: tuple[float, float]
) -> Analysis | None:
    control = trial.spec.control.name
    if control not in found or treatment not in found:
        return None
    return analyse(
        metric,
        found[control],
        found[treatment],
        treatment_name=treatment,
        alpha=alphas[0],
        harm_alpha=alphas[1],
        min_units=trial.spec.min_units,
    )
