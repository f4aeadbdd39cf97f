"""What a bandit learns from what has matured: the next revision of its shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tropism.core.bandit import Revision
from tropism.experiments.bandits.contexts import Contexts, contexts_of
from tropism.experiments.bandits.revisions import learned
from tropism.experiments.bandits.sharing import FEWEST, cells, chances, floored
from tropism.loop.bandit_rows import bandit_arms, context_names, snips_means
from tropism.loop.exposures import matured_whole
from tropism.loop.figures import by_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tropism.core.task import Task
    from tropism.loop.bandit_rows import Taken
    from tropism.registry.experiments import Trial

    Floats = NDArray[np.float64]

STEP = 0.02
"""Shares that would move by less than this stay as they are: each revision draws all units anew."""


def next_revision(
    task: Task, trial: Trial, last: Revision, found: Taken, *, now: int, worse: Sequence[str]
) -> Revision | None:
    """The revision after `last`, from everything that has matured whole; None where the shares stay.

    It is computed from all of it and not added to what was known, so a cycle that runs again finds the same.
    `worse`: variants that are shown to be.
    """
    spec = trial.spec
    names = [variant.name for variant in spec.variants]
    least = [place for place, name in enumerate(names) if name in worse]
    start = np.array([variant.weight for variant in spec.variants])
    if spec.shared_by.contextual:
        choosing, wanted, rows = _contextual(task, trial, found)
        if choosing is None or rows == last.rows:
            return None
    else:
        choosing, (wanted, rows) = None, _shared(task, trial, found, start)
    shares = floored(wanted, spec.shared_by.floor, least)
    before = np.array([last.shares[name] for name in names])
    same = float(np.abs(shares - before).max()) < STEP and tuple(names[place] for place in least) == last.least
    if same and not spec.shared_by.contextual:
        return None
    return Revision(
        number=last.number + 1,
        at=now,
        learned_until=matured_whole(task, now),
        rows=rows,
        shares=dict(zip(names, shares.tolist(), strict=True)),
        least=tuple(names[place] for place in least),
        choosing=choosing,
    )


def _shared(task: Task, trial: Trial, found: Taken, start: Floats) -> tuple[Floats, int]:
    """Chances of each variant, and the units that they were learned from."""
    if not found.units:
        return start, 0
    metric = trial.spec.decision
    sign = 1.0 if metric.goal == "increase" else -1.0
    arms = bandit_arms(task, trial, metric, found)
    if len(arms) < len(trial.spec.variants):
        return start, 0
    own = [arms[variant.name] for variant in trial.spec.variants]
    measured = cells([sign * np.asarray(arm.values) for arm in own], [np.asarray(arm.day) for arm in own])
    return chances(trial.spec.shared_by, measured, start), measured.rows


def _contextual(task: Task, trial: Trial, found: Taken) -> tuple[dict[str, object] | None, Floats, int]:
    """How requests are judged, as plain values, and the mean chances; None while too little is known."""
    rows, k = len(found.arm), len(trial.spec.variants)
    metric = trial.spec.decision
    values, _, known = by_unit(task, metric, found.table, np.arange(rows), rows) if rows else (np.empty(0),) * 3
    own = np.flatnonzero(known)
    arm = found.arm[own]
    if (np.bincount(arm, minlength=k) < FEWEST).any():
        return None, np.empty(0), 0
    contexts, table = contexts_in(task, trial, found)
    rewards = _centred(values[own], arm, 1 / found.propensity[own], found.stratum[own], k)
    sign = 1.0 if metric.goal == "increase" else -1.0
    choosing, mean = learned(trial.spec.shared_by, contexts, table[own], arm.tolist(), sign * rewards, k)
    return msgspec.to_builtins(choosing), mean, len(own)


def _centred(values: Floats, arm: NDArray[np.int64], weight: Floats, stratum: NDArray[np.int64], k: int) -> Floats:
    """Values less what all variants have on average in their stratum, so that a good day is not taken for an effect;
    where a variant is missing, less the mean of such averages."""
    strata = int(stratum.max()) + 1
    means = np.stack(
        [snips_means(values[arm == a], weight[arm == a], stratum[arm == a], strata)[0] for a in range(k)]
    ).mean(axis=0)
    usual = float(means[np.isfinite(means)].mean()) if np.isfinite(means).any() else float(values.mean())
    return values - np.where(np.isfinite(means), means, usual)[stratum]


def contexts_in(task: Task, trial: Trial, found: Taken) -> tuple[Contexts, Floats]:
    """How contexts are made of what was seen so far, and those of the rows (n, width)."""
    wanted = set(context_names(task, trial))
    kinds = {feature.name: feature.type for feature in task.features if feature.name in wanted}
    table = {name: found.table[f"f_{name}"].to_numpy() for name in kinds}
    contexts = contexts_of(kinds, table)
    return contexts, contexts.of_many(table, len(found.arm))
