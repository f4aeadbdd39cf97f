"""What a stream's events must be, as the project has it now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from tropism.core.errors import Fault, NotFound
from tropism.features import FeatureView, StreamSource
from tropism.features.streams import EventReader

if TYPE_CHECKING:
    from tropism.registry import Features

_LOOK_EVERY = 2.0


class Definition:
    """The reader of a stream's events. It follows what is applied while this process runs.

    Raises:
        NotFound: no such stream was applied, or it was dropped.
        NotReady: the registry does not answer.
    """

    def __init__(self, features: Features, source: str) -> None:
        self._features = features
        self._source = source
        self._made_of: tuple[StreamSource, frozenset[str]] | None = None
        self._generation = -1
        self._look_at = 0.0
        self.reader = self._fresh()

    def refresh(self) -> EventReader:
        """The reader, made anew where the stream has changed. Asks the registry every two seconds at most.

        Raises:
            NotFound: the stream is there no more.
            NotReady: the registry does not answer.
        """
        return self.latest() if time.monotonic() >= self._look_at else self.reader

    def latest(self) -> EventReader:
        """The same, and asks now: for events that the reader at hand refuses. Raises what `refresh` does."""
        generation = self._features.generation()
        if generation != self._generation:
            self.reader = self._fresh()
            self._generation = generation
        self._look_at = time.monotonic() + _LOOK_EVERY
        return self.reader

    def _fresh(self) -> EventReader:
        found = self._features.find("stream", self._source)
        if found.state != "live":
            fix = "declare it in project.py, then run `tropism features apply`"
            raise NotFound(f"the stream '{self._source}' was dropped", Fault("stream", repr(self._source), fix))
        source = msgspec.convert(found.spec, StreamSource)
        made_of = (source, self._keys())
        if made_of == self._made_of:
            return self.reader
        self._made_of = made_of
        return EventReader(*made_of)

    def _keys(self) -> frozenset[str]:
        """The columns that entities of the stream's views are named by."""
        views: list[FeatureView] = [one.view for one in self._features.serving()]
        return frozenset(
            column
            for view in views
            if isinstance(view.source, StreamSource) and view.source.name == self._source
            for column in view.entity.key
        )
