"""Whether what a task's predictions were served is what the history gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tropism.features.statistics.skew import SkewExample
from tropism.features.store.replaying import Unplayed, skew

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.featurestore.store import FeatureStore

SETTLING = 10_000_000
"""µs for which a data plane may go on with the code before, once another one was applied."""


class FeatureSkew(msgspec.Struct, frozen=True, kw_only=True):
    """One feature: in how many of the predictions that were compared it differs, and up to five of them."""

    name: str
    view: str
    compared: int
    mismatches: int
    examples: tuple[SkewExample, ...]


class TaskSkew(msgspec.Struct, frozen=True, kw_only=True):
    """`predictions`: those looked at that were served from the store; `since` and `until`: when the oldest and the
    newest of them were made, in µs."""

    task: str
    predictions: int
    since: int | None
    until: int | None
    features: tuple[FeatureSkew, ...]
    unplayed: tuple[Unplayed, ...]
    note: str | None = None

    @property
    def mismatches(self) -> int:
        """Values that differ, of all features together. Zero is the promise."""
        return sum(one.mismatches for one in self.features)


def task_skew(store: FeatureStore, task: Task, rows: pa.Table) -> TaskSkew:
    """Compares predictions of a task, as the lake has them, with what the history gives for the same moments.

    `rows`: `id`, `at`, `served` and `f_<name>` for each feature.
    """
    rows = rows.filter(rows["served"].is_valid())
    found = skew(
        task,
        rows,
        store.definitions(dropped=True),
        lambda: store.sources("skew"),
        store.opened.lake,
        _applied(store),
    )
    views = {one.name: one.view for one in task.features}
    features = tuple(
        FeatureSkew(
            name=one.name,
            view=views[one.name],
            compared=found.compared[one.name],
            mismatches=one.mismatches,
            examples=one.examples,
        )
        for one in found.report.features
    )
    times = pc.min_max(rows["at"].cast(pa.int64())).as_py()
    return TaskSkew(
        task=task.name,
        predictions=rows.num_rows,
        since=times["min"],
        until=times["max"],
        features=features,
        unplayed=found.unplayed,
        note=_note(task, rows.num_rows),
    )


def _applied(store: FeatureStore) -> dict[str, int]:
    """From when on each on-demand feature has been served with its code of now, µs. The first code is always it."""
    listed = [one for one in store.opened.registry.list() if one.kind == "on-demand" and one.state == "live"]
    return {one.name: one.created_at + SETTLING if one.version > 1 else 0 for one in listed}


def _note(task: Task, rows: int) -> str | None:
    if rows:
        return None
    if not any(one.view for one in task.features):
        return f"'{task.name}' has no features from the store: name views in it, then apply it"
    if task.journal.redact or task.journal.hash:
        return f"the journal of '{task.name}' does not keep the keys of entities, so nothing can be computed again"
    return "no prediction was served from the store in this time"
