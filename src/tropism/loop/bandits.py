"""Bandits on live traffic: what their units so far say, and the shares that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tropism.core.clock import DAY
from tropism.core.durations import parse_duration
from tropism.core.errors import InvalidInput
from tropism.experiments.bandits import Estimate, Interval, Logged, cross_fit, dr, gain, snips
from tropism.experiments.bandits.ratio import shares_ratio
from tropism.experiments.sample_ratio import SampleRatio
from tropism.experiments.splits.analysis import analyse
from tropism.experiments.splits.arms import Arm
from tropism.experiments.splits.decision import decide, shared_alphas
from tropism.loop.bandit_learning import contexts_in, next_revision
from tropism.loop.bandit_rows import analysed, bandit_arms, revisions_of, taken
from tropism.loop.exposures import matured_whole
from tropism.loop.figures import by_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tropism.core.bandit import Revision
    from tropism.core.task import Task
    from tropism.experiments.splits.analysis import Analysis
    from tropism.feedback.cohorts import LakeVersions
    from tropism.loop.bandit_rows import Taken
    from tropism.loop.judged import Judged
    from tropism.loop.observe import Observation
    from tropism.loop.services import Services
    from tropism.registry.experiments import Trial

    Floats = NDArray[np.float64]

_NOBODY = Arm([])
_FEWEST = 50
"""Rows of a variant before it is estimated what everybody would have had with it."""


def bandit_evidence(
    services: Services,
    task: Task,
    trial: Trial,
    *,
    now: int,
    lake: LakeVersions,
    history: Sequence[Revision] | None = None,
) -> dict[str, Any]:
    """What the units of a bandit say, as plain values. The same arguments give the same evidence.

    `history`: the revisions that there were, as they are in the registry now unless given.
    """
    known = services.registry.bandits.history(trial.name) if history is None else history
    revisions = revisions_of(trial, [msgspec.structs.replace(one, choosing=None) for one in known])
    found = taken(services.cohorts, task, trial, revisions, now=now, lake=lake)
    split, (analyses, unmeasured) = _ratio(trial, revisions, found), _compared(task, trial, found)
    common = {"comparison": "bandit", "experiment": trial.name, "now": now, "lake": msgspec.to_builtins(lake)}
    common |= {"trial": msgspec.to_builtins(trial), "metric": task.metric_name, "n": found.units}
    common |= {"split": msgspec.to_builtins(split), "analyses": msgspec.to_builtins(analyses)}
    common |= {"revisions": msgspec.to_builtins(revisions[1:]), "shares": revisions[-1].shares}
    common |= {"unmeasured": unmeasured, "outcome_window": task.outcome_window} | _estimates(task, trial, found)
    days = (matured_whole(task, now) - (trial.started_at or now)) / DAY
    duration = parse_duration(trial.spec.max_duration) / DAY
    here = set(found.arm.tolist())
    missing = [one.name for place, one in enumerate(trial.spec.variants) if place and not {0, place} <= here]
    if missing:
        reason = f"no matured units of both the control and {', '.join(missing)} yet"
        return common | {"action": "keep" if days >= duration else "extend", "treatment": "", "reason": reason}
    spec = trial.spec
    said = decide(
        analyses,
        split,
        days=days,
        duration=duration,
        alpha=spec.alpha,
        harm_alpha=spec.harm_alpha,
        unmeasured=unmeasured,
    )
    return _as_bandit({**common, **msgspec.to_builtins(said)}, over=days >= duration)


def share(services: Services, task: Task, seen: Observation, one: Judged) -> None:
    """Publishes the shares that follow from what has matured, if they move. May be repeated.

    Raises:
        Conflict: somebody published in between, or the experiment has ended.
    """
    trial = services.registry.experiments.get(one.name)
    history = services.registry.bandits.history(one.name)
    worse = [own["treatment"] for own in one.evidence.get("treatments", ()) if own["action"] == "stop-for-harm"]
    revisions = revisions_of(trial, history)
    if one.evidence["split"]["mismatch"] or matured_whole(task, seen.now) <= revisions[-1].learned_until:
        return
    found = taken(services.cohorts, task, trial, revisions, now=seen.now, lake=seen.lake)
    try:
        made = next_revision(task, trial, revisions[-1], found, now=seen.now, worse=worse)
    except InvalidInput:  # no outcome carries what it learns by yet; the evidence says so
        return
    if made is not None:
        services.registry.bandits.publish(trial.name, made, actor="loop", now=seen.now)


def _as_bandit(evidence: dict[str, Any], *, over: bool) -> dict[str, Any]:
    """A bandit needs no stop for harm: what is worse has the floor. If all treatments are, the control is kept. And
    one version is not promoted where choosing among them by context is shown to earn more than it."""
    if evidence["action"] == "stop-for-harm":
        return evidence | {"action": "keep", "reason": evidence["reason"] + "; the control is kept"}
    beaten = evidence.get("gains", {}).get(evidence["treatment"])
    if evidence["action"] != "promote" or beaten is None or beaten["low"] <= 0:
        return evidence
    reason = f"{evidence['reason']}, but choosing by context is better still, by {beaten['value']:.4g}"
    return evidence | {"action": "keep" if over else "extend", "treatment": "", "reason": reason}


def _ratio(trial: Trial, revisions: Sequence[Revision], found: Taken) -> SampleRatio:
    """The check of the shares. Of a contextual policy only the chosen one's chance is logged, and nothing is checked
    here: see the warnings of its estimates."""
    k = len(trial.spec.variants)
    shares = np.array([[one.shares[variant.name] for variant in trial.spec.variants] for one in revisions])
    counts = np.zeros(shares.shape)
    _, first = np.unique(found.unit, return_index=True)
    np.add.at(counts, (found.revision[first], found.arm[first]), 1)
    if not trial.spec.shared_by.contextual:
        return shares_ratio(counts, shares)
    total = tuple(int(count) for count in counts.sum(axis=0))
    expected = tuple(count / max(sum(total), 1) for count in total) if sum(total) else (1 / k,) * k
    return SampleRatio(counts=total, expected=expected, p_value=1.0, alpha=0.01, mismatch=False)


def _compared(task: Task, trial: Trial, found: Taken) -> tuple[dict[str, list[Analysis]], dict[str, dict[str, str]]]:
    """Of each treatment, the analyses of the metrics that it and the control have; and why one that can decide has
    none."""
    spec = trial.spec
    guardrails = sum(metric.role == "guardrail" for metric in spec.metrics)
    alphas = shared_alphas(spec.alpha, spec.harm_alpha, treatments=len(spec.variants) - 1, guardrails=guardrails)
    told: dict[str, list[Analysis]] = {variant.name: [] for variant in spec.variants[1:]}
    unmeasured: dict[str, dict[str, str]] = {}
    for metric in spec.metrics:
        for treatment, own in told.items():
            try:
                arms = bandit_arms(task, trial, metric, found)
                own.append(
                    analyse(
                        analysed(trial, metric),
                        arms.get(spec.control.name, _NOBODY),
                        arms.get(treatment, _NOBODY),
                        treatment_name=treatment,
                        alpha=alphas.alpha,
                        harm_alpha=alphas.harm_alpha,
                        min_units=spec.min_units,
                    )
                )
            except InvalidInput as error:
                if metric.role != "observed":
                    unmeasured.setdefault(treatment, {})[metric.name] = error.message
    return told, unmeasured


def _estimates(task: Task, trial: Trial, found: Taken) -> dict[str, Any]:
    """What everybody would have had with each variant, by the decision metric: `everybody`. `earned`: what they had.
    Of a contextual policy also `gains`: how much better it was than each variant for everybody."""
    spec, rows = trial.spec, len(found.arm)
    if not rows:
        return {}
    try:
        values, _, known = by_unit(task, spec.decision, found.table, np.arange(rows), rows)
    except InvalidInput:  # the comparison says why
        return {}
    own = np.flatnonzero(known)
    values, arm, propensity = values[own], found.arm[own], found.propensity[own]
    k, contextual = len(spec.variants), spec.shared_by.contextual
    counts = np.bincount(arm, minlength=k)
    if len(own) < _FEWEST:
        return {}
    sign = 1.0 if spec.decision.goal == "increase" else -1.0
    logged = Logged(arm, values, propensity)
    predicted = _predicted(task, trial, found, own, logged) if contextual else None
    everybody, gains = dict[str, Any](), dict[str, Any]()
    for place, variant in enumerate(spec.variants):
        if counts[place] < _FEWEST:
            continue
        target = np.zeros((len(own), k))
        target[:, place] = 1.0
        if predicted is None:
            everybody[variant.name] = _plain(snips(logged, target))
        else:
            everybody[variant.name] = _plain(dr(logged, target, predicted))
            better = Logged(arm, sign * values, propensity)
            gains[variant.name] = _plain(gain(better, target, sign * predicted, interval=Interval(alpha=spec.alpha)))
    told: dict[str, Any] = {"everybody": everybody, "earned": float(values.mean())}
    return told | ({"gains": gains} if contextual else {})


def _predicted(task: Task, trial: Trial, found: Taken, own: NDArray[np.int64], logged: Logged) -> Floats:
    """The reward of each variant in each row, by models that did not see the row."""
    _, table = contexts_in(task, trial, found)
    return cross_fit(logged, table[own], len(trial.spec.variants))


def _plain(found: Estimate) -> dict[str, Any]:
    names = ("method", "value", "low", "high", "n", "effective", "warnings")
    return {name: value for name, value in msgspec.to_builtins(found).items() if name in names}
