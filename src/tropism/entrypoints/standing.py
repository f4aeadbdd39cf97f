"""How a task stands: its live versions, open tests, what came back, and how the champion does beside its baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.clock import iso

if TYPE_CHECKING:
    from tropism.wiring import Platform


def standing(platform: Platform, name: str) -> dict[str, Any]:
    """Plain values, ready for JSON.

    Raises:
        UnknownTask: there is none of that name.
    """
    registry = platform.registry
    task = registry.tasks.get(name)
    now = platform.clock.now()
    live = registry.aliases.live(name)
    trainings = registry.decisions.list(name, kind="train", limit=1)
    counts = platform.cohorts.counts(task, now)
    return {
        "name": name,
        "kind": task.kind,
        "champion": None if live is None else live.champion,
        "champion_since": None if live is None else iso(live.since),
        "previous": None if live is None else live.previous,
        "versions": len(registry.versions.list(name)),
        "last_training": iso(trainings[0].at) if trainings else None,
        "watermark": iso(now - task.window),
        "outcomes": msgspec.to_builtins(counts),
        "tests": [msgspec.to_builtins(test) for test in registry.challenges.list_open(name)],
        "waiting_for_approval": [one.version for one in registry.approvals.pending(name)],
        "waiting_for_levels": _held_back(platform, name, now),
        "performance": _performance(platform, name, live.champion, live.since, now) if live is not None else None,
    }


def _held_back(platform: Platform, name: str, now: int) -> list[dict[str, Any]]:
    """Versions that won and do not stand on the highest level yet, and what each waits for; those that nothing holds
    back there wait for people, and are named as such."""
    from tropism.loop.climbing import explain, held

    found = {one.version for one in held(platform.registry, name) if one.version is not None}
    told = ((one, explain(platform.registry, name, one, now)) for one in sorted(found))
    return [{"version": one, "why": why} for one, why in told if why]


def _performance(platform: Platform, name: str, champion: int, since: int, now: int) -> dict[str, Any] | None:
    """Mean loss of the champion's matured predictions since it became one, beside the last known label."""
    import pyarrow.compute as pc

    from tropism.evaluation.metrics import losses
    from tropism.evaluation.references import reference_scores
    from tropism.feedback.joining import moments
    from tropism.loop.losses import served

    task = platform.registry.tasks.get(name)
    table = platform.cohorts.matured(task, now=now, since=since).table
    table = table.filter(pc.equal(table["version"], champion))
    if table.num_rows == 0:
        return None
    labels, at, known = table["label"].to_numpy(), moments(table, "at"), moments(table, "label_at")
    baselines = {
        rule: float(losses(task.metric_name, labels, scores).mean())
        for rule, scores in reference_scores(task, labels, at, known).items()
    }
    loss = served(task, table)
    error = float(loss.std(ddof=1)) / len(loss) ** 0.5 if len(loss) > 1 else float("nan")
    return {
        "metric": task.metric_name,
        "loss": float(loss.mean()),
        "low": float(loss.mean()) - 1.96 * error,
        "high": float(loss.mean()) + 1.96 * error,
        "predictions": table.num_rows,
        "baselines": baselines,
    }
