"""Decide: whether to train a challenger now, and why. A pure function of what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tropism.core.clock import iso
from tropism.core.durations import parse_duration

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.loop.observe import Observation


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`train`: whether to train; `reasons`: the triggers that fired; `waiting`: why nothing fires although asked.

    `changed`: since when the champion's loss is worse, if that is why.
    """

    train: bool
    reasons: tuple[str, ...] = ()
    waiting: str = ""
    changed: int | None = None


def decide(task: Task, seen: Observation, asked: str | None = None) -> Plan:
    """The plan. `asked`: who asked for a training, if anybody did; that overrules triggers and cooldown."""
    policy = task.policy
    if asked:
        return Plan(train=True, reasons=(f"asked for by {asked}",), changed=_changed(task, seen))
    if seen.trained_at is None or seen.champion is None:
        return _first(task, seen)
    under_test = sum(test.kind == "challenge" and not test.experiment for test in seen.tests)
    if under_test >= policy.challengers:
        return Plan(train=False, waiting=f"{under_test} challengers are under test")
    if seen.new_labels < policy.triggers.cooldown:
        return Plan(train=False, waiting=f"cooldown: {seen.new_labels} of {policy.triggers.cooldown} new labels")
    reasons = _reasons(task, seen)
    return Plan(train=bool(reasons), reasons=reasons, changed=_changed(task, seen))


def _first(task: Task, seen: Observation) -> Plan:
    if seen.awaiting:
        return Plan(train=False, waiting=f"version {seen.awaiting[0]} waits for approval")
    if seen.rising:
        return Plan(train=False, waiting=f"version {seen.rising[0]} waits for its level")
    needed = task.policy.min_training if seen.trained_at is None else max(task.policy.triggers.cooldown, 1)
    if seen.new_labels < needed:
        return Plan(train=False, waiting=f"{seen.new_labels} of {needed} labels for a first model")
    return Plan(train=True, reasons=(f"no champion yet, {seen.new_labels} labels are known",))


def _reasons(task: Task, seen: Observation) -> tuple[str, ...]:
    triggers = task.policy.triggers
    reasons = []
    if triggers.new_outcomes is not None and seen.new_labels >= triggers.new_outcomes:
        reasons.append(f"{seen.new_labels} new labels (trigger: {triggers.new_outcomes})")
    every = None if triggers.every is None else parse_duration(triggers.every)
    if every is not None and seen.trained_at is not None and seen.now - seen.trained_at >= every:
        reasons.append(f"last trained at {iso(seen.trained_at)} (trigger: every {triggers.every})")
    if _decayed(task, seen) and seen.decay is not None:
        decay = seen.decay
        reasons.append(
            f"loss rose from {decay.reference:.4g} to {decay.recent:.4g} over {decay.rows} predictions since "
            f"{iso(decay.since)}, score {decay.score:.2f} (trigger: {triggers.decay:g})"
        )
    if triggers.drift is not None and seen.drift_score is not None and seen.drift_score >= triggers.drift:
        causes = ", ".join(seen.drift_causes[:3])
        reasons.append(f"drift score {seen.drift_score:.2f} in {causes} (trigger: {triggers.drift:g})")
    return tuple(reasons)


def _decayed(task: Task, seen: Observation) -> bool:
    threshold = task.policy.triggers.decay
    return threshold is not None and seen.decay is not None and seen.decay.score >= threshold


def _changed(task: Task, seen: Observation) -> int | None:
    return seen.decay.since if _decayed(task, seen) and seen.decay is not None else None
