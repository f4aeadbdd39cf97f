"""What the worker does for features: brings in what streams bring, and fills views again that are due."""

from __future__ import annotations

import logging
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from tropism.core.durations import parse_duration
from tropism.core.errors import TropismError
from tropism.features.online.marks import marked
from tropism.features.sources import StreamSource
from tropism.features.store.materialising import materialise_view
from tropism.features.store.reading import in_windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.features.store.definitions import StoredView
    from tropism.featurestore.store import FeatureStore

log = logging.getLogger("tropism.worker")


class Upkeep:
    """For one thread. What fails does not keep the rest from going on. Streams are looked at again in the next round, a
    view whose source fails after `features.retry`; the log has one line for each such time, and one when it is over."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._failed: dict[str, int] = {}
        """What fails, and when the log said so last."""

    def __call__(self) -> None:
        """One round. Raises nothing that an error of Tropism or of a source can cause."""
        self._attempt("features cannot be looked after", self._round)

    def _round(self) -> None:
        views = list(self._store.definitions().versions.values())
        streamed: defaultdict[tuple[str, bool], list[StoredView]] = defaultdict(list)
        for one in views:
            if isinstance(one.view.source, StreamSource):
                streamed[one.view.source.name, in_windows(one)].append(one)
        for (stream, tiled), some in streamed.items():
            what = f"{'windows' if tiled else 'rows'} over the stream '{stream}' cannot be brought up to date"
            self._attempt(what, partial(self._follow, some))
        rest = [one for one in views if not one.view.streamed]
        if rest:
            self._materialise(rest)

    def _follow(self, views: list[StoredView]) -> None:
        self._store.follower.run(views)

    def _materialise(self, views: list[StoredView]) -> None:
        store, now = self._store, self._store.opened.clock.now()
        for one, known in zip(views, marked(store.online, [one.stored for one in views]), strict=True):
            what = f"the view '{one.stored}' cannot be filled"
            if now >= known + parse_duration(one.view.every) and self._due(what, now):
                self._attempt(what, partial(self._fill, one, now))

    def _fill(self, one: StoredView, now: int) -> None:
        materialise_view(one, self._store.sources("materialise"), self._store.online, now)

    def _due(self, what: str, now: int) -> bool:
        failed = self._failed.get(what)
        return failed is None or now >= failed + parse_duration(self._store.opened.settings.retry)

    def _attempt(self, what: str, act: Callable[[], None]) -> None:
        now = self._store.opened.clock.now()
        try:
            act()
        except Exception as error:  # a source may raise anything, and the views after it must not wait for it
            if self._due(what, now):
                self._failed[what] = now
                log.error("%s: %s", what, error, exc_info=not isinstance(error, TropismError))
        else:
            if self._failed.pop(what, None) is not None:
                log.info("no longer: %s", what)
