"""Stores what a project declares: features, then the tasks that read them, after everything was checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tropism.core.errors import Conflict, InvalidInput, TropismError, UnknownTask
from tropism.features.store.binding import bind
from tropism.features.store.reading import in_windows
from tropism.registry.history import history_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tropism.core.task import Task
    from tropism.features.store.definitions import Definitions
    from tropism.featurestore.store import FeatureStore
    from tropism.registry.feature_plan import Definition, Plan
    from tropism.registry.tasks import Tasks


class Applied(NamedTuple):
    """`status`: in words, what applying the task did, and what that means for its models."""

    name: str
    status: str


class _Move(NamedTuple):
    """A task as it is stored, and as it will be. `changed`: on-demand features whose code changes."""

    old: Task | None
    new: Task
    changed: frozenset[str]

    @property
    def views(self) -> list[tuple[str, str]]:
        """Stored views that it read, with those that it will read instead."""
        if self.old is None:
            return []
        before = {feature.name: feature.view for feature in self.old.features}
        pairs = ((before.get(feature.name, ""), feature.view) for feature in self.new.features)
        return list(dict.fromkeys(pair for pair in pairs if "@" in pair[0] and "@" in pair[1] and pair[0] != pair[1]))


def apply_declared(
    store: FeatureStore,
    tasks: Tasks,
    declared: Sequence[Task],
    features: Sequence[Definition],
    refusal: Callable[[Task, InvalidInput], TropismError],
) -> tuple[Applied, ...]:
    """Checks everything, then stores features, then tasks. Versions that take the place of others are filled first,
    so that tasks go on answering with whole features. `refusal`: what is raised for a task that cannot be bound.

    Raises:
        InvalidInput, Conflict: nothing was stored.
        SettingInvalid, MissingExtra: `features.online` cannot be used; nothing was stored.
        What `refusal` gives: nothing was stored.
        DataInvalid, NotReady, DiskFull: a view that a task moves to cannot be filled. Tasks stay as they were.
    """
    registry, now = store.opened.registry, store.opened.clock.now()
    plan = registry.plan(features)
    planned = store.planned(plan)
    changed = _changed(plan)
    for task in declared:
        _require_kept(_move(task, tasks, planned, changed, refusal))
    if planned.versions:
        store.online.read([])  # opens it: a setting that is wrong is told before anything is stored
    _fill_windows(store, plan, planned)
    registry.apply(features, now)
    there = store.definitions()
    moves = [_move(task, tasks, there, changed, refusal) for task in declared]
    for move in moves:
        _fill(store, there, move)
    return tuple(Applied(move.new.name, _status(tasks.apply(move.new, now).status, move)) for move in moves)


def _fill_windows(store: FeatureStore, plan: Plan, planned: Definitions) -> None:
    """On-demand features read the newest version of a view as soon as it is registered. Tiles lie under a view's
    content, so those of a version that is not registered in the end are in nobody's way."""
    new = [f"{one.name}@{one.version}" for one in plan.changes if one.kind == "view" and one.action == "version"]
    store.follower.run([planned.versions[one] for one in new if in_windows(planned.versions[one])])


def _changed(plan: Plan) -> frozenset[str]:
    return frozenset(one.name for one in plan.changes if one.kind == "on-demand" and one.action == "version")


def _move(
    task: Task,
    tasks: Tasks,
    definitions: Definitions,
    changed: frozenset[str],
    refusal: Callable[[Task, InvalidInput], TropismError],
) -> _Move:
    try:
        bound = bind(task, definitions)
    except InvalidInput as error:
        raise refusal(task, error) from error
    try:
        old = tasks.get(task.name)
    except UnknownTask:
        return _Move(None, bound, frozenset())
    return _Move(old, bound, changed & {feature.view for feature in bound.features})


def _require_kept(move: _Move) -> None:
    faults = [] if move.old is None else history_faults(move.old, move.new)
    if faults:
        raise Conflict(f"task '{move.new.name}' cannot change so: it would break its history", *faults)


def _fill(store: FeatureStore, definitions: Definitions, move: _Move) -> None:
    from tropism.featurestore.filling import fill

    for old, new in move.views:
        try:
            fill(store, definitions.versions[new])
        except TropismError as error:
            message = f"'{new}' cannot be filled, so that '{move.new.name}' goes on with '{old}': {error.message}"
            raise type(error)(message, *error.faults) from error


def _status(status: str, move: _Move) -> str:
    notes = [
        f"it reads {new} now, not {old}: models that were trained on {old} go on with it" for old, new in move.views
    ]
    notes += [f"{name} is computed by other code than its models were trained on" for name in sorted(move.changed)]
    return "; ".join([status, *notes, *(["train it again"] if notes else [])])
