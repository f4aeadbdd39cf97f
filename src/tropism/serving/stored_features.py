"""Features of a request that come from the feature store: read, and put into its row."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, InvalidInput, TropismError
from tropism.core.events import Served
from tropism.core.task import task_value
from tropism.serving.remote_features import RemoteReads, Troubles
from tropism.serving.rows import Note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.core.events import Value
    from tropism.core.task import Task
    from tropism.features.store.reading import Read
    from tropism.serving.requests import Ask
    from tropism.serving.snapshot import Deployment

UNAVAILABLE = "features-unavailable"
"""The store was away: features from it are missing, or their defaults."""
_MANY = 50
"""Rows from which on they are read in a thread, so that other requests are answered meanwhile."""
_remote = RemoteReads()
_troubles = Troubles()


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
    if reader is None:
        return [_without(task, ask) for ask in asks]
    read = partial(reader.read, keys, [ask.row for ask in asks], now, at)
    try:
        if reader.remote:
            reads = await _remote.read(read, len(asks))
        else:
            reads = await asyncio.to_thread(read) if len(asks) >= _MANY else read()
    except InvalidInput as error:
        raise _as_sent(task, error) from error
    except TropismError as error:
        _troubles.failed(task.name, error)
        return [_without(task, ask) for ask in asks]
    _troubles.went(task.name)
    return [_with(task, ask, mine, found) for ask, mine, found in zip(asks, keys, reads, strict=True)]


def _as_sent(task: Task, error: InvalidInput) -> InvalidInput:
    """Keys are sent among the features."""
    faults = (
        Fault(f"features.{one.field}", one.value, one.fix) if one.field in task.keys else one for one in error.faults
    )
    return type(error)(error.message, *faults)


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
