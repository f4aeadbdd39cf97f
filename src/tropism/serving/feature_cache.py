"""The last features of each entity, for requests that leave some out."""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.faults import shown
from tropism.serving.rows import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tropism.core.events import Value
    from tropism.core.task import Task
    from tropism.serving.requests import Ask

CACHED = "cached-feature"
"""The kind of note on a value that was not sent."""
REASON = "features-cached"
"""Why a prediction with such values is degraded."""
MOST = 10_000
"""Entities that are kept."""


class FeatureCache:
    """Rows by task and entity, each for at most `seconds`; the least recently used go first. For one event loop.

    Fills in only what a request would be refused for: a feature that was not sent and has no default. Only values
    that were sent are kept, never those that were filled in, so nothing outlives its time by being used.
    """

    def __init__(self, seconds: float, size: int = MOST, now: Callable[[], float] = monotonic) -> None:
        """`now` gives seconds."""
        self._seconds = seconds
        self._size = size
        self._now = now
        self._kept: OrderedDict[tuple[str, str], dict[str, tuple[float, Value]]] = OrderedDict()

    def fill(self, task: Task, element: dict[str, Any]) -> tuple[Note, ...]:
        """Puts what is missing into an element of a request; a note for each value."""
        features, entity = element.get("features"), element.get("entity")
        if not isinstance(features, dict) or not isinstance(entity, str):
            return ()
        kept = self._kept.get((task.name, entity))
        if kept is None:
            return ()
        now, notes = self._now(), []
        for feature in task.sent:
            name = feature.name
            if name in features or feature.default is not msgspec.UNSET or name not in kept:
                continue
            until, value = kept[name]
            if now < until:
                features[name] = value
                text = f"{name}: not sent, {shown(value)} of the entity's last request was used"
                notes.append(Note(CACHED, name, text))
        return tuple(notes)

    def keep(self, task: Task, asks: Sequence[Ask]) -> None:
        """Keeps the features of rows that name an entity."""
        until = self._now() + self._seconds
        for ask in asks:
            if ask.entity is None:
                continue
            place = (task.name, ask.entity)
            theirs = self._kept.setdefault(place, {})
            unsent = {note.feature for note in ask.notes if note.kind in (CACHED, "default-used")}
            theirs.update({name: (until, value) for name, value in ask.row.items() if name not in unsent})
            self._kept.move_to_end(place)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
