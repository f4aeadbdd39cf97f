"""The quality of the rows that were served last, beside those that the champion was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tropism.core.errors import TropismError
from tropism.learners.artifact import read_manifest
from tropism.loop.watching.rows import rows_before, rows_served
from tropism.monitoring.quality import FeatureQuality, Quality, assess, quality

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.loop.viewing.sources import Sources
    from tropism.registry import ModelVersion

ROWS, REFERENCE = 1_000, 2_000


class QualityView(msgspec.Struct, frozen=True, kw_only=True):
    """Of the newest `rows` rows served. `reference`: rows from before the champion was trained, which it is compared
    with; 0 if there are none. `waiting`: what is missing, if anything."""

    task: str
    version: int | None
    rows: int
    reference: int
    found: Quality
    waiting: str = ""


def quality_of(sources: Sources, name: str, *, since: int | None = None, rows: int = ROWS) -> QualityView:
    """The quality of the newest `rows` rows served, of those from `since` (µs) on if it is given.

    Raises:
        UnknownTask: there is none of that name.
    """
    task, now = sources.task(name), sources.clock.now()
    live = sources.registry.aliases.live(name)
    champion = None if live is None else sources.registry.versions.get(name, live.champion)
    served = rows_served(sources.lake, task, 0 if since is None else since, now + 1, most=rows)
    categories, reference, count = _trained_on(sources, task, champion)
    return QualityView(
        task=name,
        version=None if live is None else live.champion,
        rows=served.num_rows,
        reference=count,
        found=assess(served, task.features, now, categories, reference=reference),
        waiting="" if served.num_rows else "no row was served" + (" in that time" if since is not None else " yet"),
    )


def _trained_on(
    sources: Sources, task: Task, champion: ModelVersion | None
) -> tuple[dict[str, tuple[str, ...]], list[FeatureQuality], int]:
    """The champion's categories, the quality of the last rows before it was trained, and how many those are."""
    if champion is None:
        return {}, [], 0
    try:
        columns = read_manifest(champion.artifact, sources.blobs).encoding.columns
    except TropismError:
        return {}, [], 0
    types = {column.name: column.type for column in columns}
    known = {column.name: column.categories for column in columns if column.categories}
    rows = rows_before(sources.lake, task, champion.created_at, REFERENCE)
    alike = [feature for feature in task.features if types.get(feature.name) == feature.type]
    found = list(quality(rows, alike, known)) if rows.num_rows else []
    there = {feature.name for feature in found}
    # Those that are gone or of another type now have no column left to count.
    found += [FeatureQuality(name=name, rows=0, type=kind) for name, kind in types.items() if name not in there]
    return known, found, rows.num_rows
