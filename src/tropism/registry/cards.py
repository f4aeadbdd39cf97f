"""A model card: what is known of a version, for people who have to rely on it. What is not known is said to be so.

After Mitchell et al., Model Cards for Model Reporting, FAT* 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tropism.registry.gate_runs import GateRun, GateRuns
from tropism.registry.levels import LevelMove, Levels
from tropism.registry.lineage import graph
from tropism.registry.tombstones import Tombstone, find_tombstone
from tropism.registry.tracking.training_runs import training_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.core.task import Task
    from tropism.registry.decisions import Decision
    from tropism.registry.registry import Registry
    from tropism.registry.versions import ModelVersion

_MOST = 1_000


class Population(msgspec.Struct, frozen=True, kw_only=True):
    """What rows had in a feature. `quantiles`: by their share, such as "0.05"; `categories`: shares of the commonest;
    `missing`: share of rows without it."""

    rows: int
    missing: float
    quantiles: dict[str, float] = {}
    categories: dict[str, float] = {}


class CardFeature(msgspec.Struct, frozen=True, kw_only=True):
    """A feature. `importance`: its share of what decides the scores. None: not assessed."""

    name: str
    type: str
    description: str
    importance: float | None = None
    population: Population | None = None


class CardMetric(msgspec.Struct, frozen=True, kw_only=True):
    """A metric on rows held out in training, with its 95% interval. `better`: "more" or "less" of it."""

    name: str
    value: float
    low: float | None
    high: float | None
    better: str


class CardDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision about the version. `at` in µs."""

    id: str
    kind: str
    at: int
    actor: str
    reason: str


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `baselines`: mean loss of each by `metric`, beside `loss`, on the same rows; None and empty where it
    was not assessed. `training_run`: the id of the run that its training left, "" where there is none. `runs`: the
    newest run of the gates of each level."""

    model: str
    version: int
    purpose: str
    kind: str
    target: str
    classes: tuple[str, ...]
    metric: str
    learner: str
    window: str
    made_at: int
    training_run: str
    artifact: str
    state: str
    level: str
    since: int
    data: dict[str, Any]
    parameters: dict[str, Any]
    environment: dict[str, Any]
    features: tuple[CardFeature, ...]
    loss: float | None
    baselines: dict[str, float]
    metrics: tuple[CardMetric, ...]
    moves: tuple[LevelMove, ...]
    runs: tuple[GateRun, ...]
    lineage: tuple[str, ...]
    decisions: tuple[CardDecision, ...]
    deleted: Tombstone | None


def card(
    registry: Registry,
    model: str,
    version: int,
    *,
    importance: Mapping[str, float] | None = None,
    populations: Mapping[str, Population] | None = None,
) -> Card:
    """The card of a version. `importance` and `populations` by feature, where somebody measured them.

    Raises:
        UnknownTask, UnknownModel, UnknownVersion: there is none.
    """
    task, found = registry.tasks.get(model), registry.versions.get(model, version)
    return Card(
        **_standing(registry, model, version),
        model=model,
        version=version,
        purpose=task.description,
        kind=task.kind,
        target=task.target,
        classes=task.classes,
        metric=task.metric_name,
        learner=found.learner,
        window=found.window,
        made_at=found.created_at,
        training_run=training_run(registry.db, found),
        artifact=found.artifact,
        state=found.state,
        data=found.data,
        parameters=found.parameters or dict(task.parameters.get(found.learner, {})),
        environment=found.environment,
        features=_features(task, found, importance or {}, populations or {}),
        loss=found.metrics.get("loss"),
        baselines=found.metrics.get("baselines", {}),
        metrics=_metrics(found),
        lineage=_lineage(registry, model, version),
        decisions=tuple(_decision(one) for one in registry.decisions.list(model, _MOST) if one.version == version),
    )


def _standing(registry: Registry, model: str, version: int) -> dict[str, Any]:
    """The parts of a card that tell of levels."""
    levels = Levels(registry.db)
    at = levels.get(model, version)
    with registry.db.read() as connection:
        deleted = find_tombstone(connection, model, version)
    runs = _newest(GateRuns(registry.db).list(model, version, limit=_MOST))
    moves = levels.history(model, version)
    return {"level": at.level, "since": at.since, "moves": moves, "runs": runs, "deleted": deleted}


def _features(
    task: Task, version: ModelVersion, importance: Mapping[str, float], populations: Mapping[str, Population]
) -> tuple[CardFeature, ...]:
    """Those that the version takes, which may not be all that the task has now."""
    told = {feature.name: feature.description for feature in task.features}
    types = {feature.name: feature.type for feature in task.features}
    inputs = version.signature.get("inputs") or [{"name": name, "type": kind} for name, kind in types.items()]
    return tuple(
        CardFeature(
            name=one["name"],
            type=one["type"],
            description=told.get(one["name"], ""),
            importance=importance.get(one["name"]),
            population=populations.get(one["name"]),
        )
        for one in inputs
    )


def _metrics(version: ModelVersion) -> tuple[CardMetric, ...]:
    from tropism.evaluation.losses import higher_is_better

    found = version.metrics.get("metrics", {})
    return tuple(
        CardMetric(
            name=name,
            value=one["value"],
            low=one.get("low"),
            high=one.get("high"),
            better="more" if higher_is_better(name) else "less",
        )
        for name, one in found.items()
        if isinstance(one, dict) and isinstance(one.get("value"), int | float)
    )


def _newest(runs: tuple[GateRun, ...]) -> tuple[GateRun, ...]:
    found: dict[str, GateRun] = {}
    for run in runs:
        found.setdefault(run.level, run)
    return tuple(found.values())


def _lineage(registry: Registry, model: str, version: int) -> tuple[str, ...]:
    nodes = graph(registry, "model", f"{model}/{version}", "up").nodes
    return tuple(f"{node.kind} {node.id}" for node in nodes if node.key != ("model", f"{model}/{version}"))


def _decision(one: Decision) -> CardDecision:
    reason = one.evidence.get("reason") or one.evidence.get("verdict") or ""
    return CardDecision(id=one.id, kind=one.kind, at=one.at, actor=one.actor, reason=str(reason))
