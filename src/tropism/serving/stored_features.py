"""Features of a request that come from the feature store: read, and put into its row."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tropism.core.errors import InvalidInput, TropismError
from tropism.core.events import Served
from tropism.core.task import task_value
from tropism.serving.rows import Note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.core.events import Value
    from tropism.core.task import Task
    from tropism.features.store.reading import Read
    from tropism.serving.requests import Ask
    from tropism.serving.snapshot import Deployment

_log = logging.getLogger(__name__)
UNAVAILABLE = "features-unavailable"
"""The store was away: features from it are missing, or their defaults."""


async def filled(deployment: Deployment, asks: Sequence[Ask], now: int) -> list[Ask]:
    """The rows with the features that come from the store, as of the moments they are asked for, or of `now`.

    Raises:
        InvalidInput: a key is none, or an on-demand feature cannot be computed of the row.
    """
    task, found = deployment.task, list(asks)
    places: defaultdict[int | None, list[int]] = defaultdict(list)
    for place, ask in enumerate(asks):
        places[ask.at].append(place)
    for at, mine in places.items():
        some = [asks[place] for place in mine]
        for place, ask in zip(mine, await _filled(deployment, task, some, now, at), strict=True):
            found[place] = ask
    return found


async def _filled(deployment: Deployment, task: Task, asks: list[Ask], now: int, at: int | None) -> list[Ask]:
    keys = [{key: ask.row[key] for key in task.keys} for ask in asks]
    reader = deployment.features
    try:
        if reader is None:
            return [_without(task, ask) for ask in asks]
        rows = [ask.row for ask in asks]
        if reader.remote:
            reads = await asyncio.to_thread(reader.read, keys, rows, now, at)
        else:
            reads = reader.read(keys, rows, now, at)
    except InvalidInput:
        raise
    except TropismError as error:
        _log.error("the features of '%s' cannot be read: %s", task.name, error)
        return [_without(task, ask) for ask in asks]
    return [_with(task, ask, mine, read) for ask, mine, read in zip(asks, keys, reads, strict=True)]


def _with(task: Task, ask: Ask, keys: dict[str, Any], read: Read) -> Ask:
    notes = list(ask.notes)
    for view, status in read.statuses.items():
        if status != "PRESENT":
            word = "expired" if status == "EXPIRED" else "missing"
            notes.append(Note(f"features-{word}", view, f"{view}: nothing is stored for this entity ({status})"))
    served = Served(keys=keys, at=read.at, known=read.known)
    return ask._replace(row=_row(task, ask, read.values), notes=tuple(notes), served=served)


def _without(task: Task, ask: Ask) -> Ask:
    return ask._replace(row=_row(task, ask, {}), degraded=(UNAVAILABLE,))


def _row(task: Task, ask: Ask, values: Mapping[str, Any]) -> dict[str, Value]:
    """The task's features in its order; keys that are none of them are left out."""
    return {
        feature.name: task_value(feature, values.get(feature.name)) if feature.view else ask.row[feature.name]
        for feature in task.features
    }
