"""Brings what is new in the streams' tables of the lake into windows and rows that are served."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from tropism.core.errors import Fault, NotReady
from tropism.features.online.marks import begin, lost, mark, marked
from tropism.features.online.materialising import materialise
from tropism.features.online.reader import OnlineView
from tropism.features.sources import StreamSource
from tropism.features.store.reading import in_windows
from tropism.features.store.streams import events_of, places_of, stamps_of, stream_rows, stream_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

    from tropism.features.online.store import OnlineStore
    from tropism.features.store.definitions import StoredView
    from tropism.features.windows import WindowStore
    from tropism.storage.lake import Lake

    Progress = Callable[[int, int], None]

_BATCH = 2_000
"""Events that are taken at once, and as many more as came at the same moment: those are known together."""


class Follower:
    """What it did is whole after a kill: windows keep the place of their last event, rows the newest one. What was
    lost is brought in again from the lake. One at a time."""

    def __init__(self, lake: Lake, online: OnlineStore, windows: WindowStore) -> None:
        self._lake, self._online, self._windows = lake, online, windows
        self._done: dict[str, tuple[int, int]] = {}
        self._unsettled = True

    def run(self, views: Iterable[StoredView], progress: Progress | None = None) -> int:
        """Brings the streams' views up to the lake; how many events were taken, added up over the views.

        `progress` is told how many events of how many are done.

        Raises:
            DiskFull, NotReady: what was taken stays; run again.
        """
        groups: defaultdict[tuple[str, int], list[StoredView]] = defaultdict(list)
        for one in views:
            if isinstance(one.view.source, StreamSource):
                groups[one.view.source.name, self._known(one)].append(one)
        taken = sum(self._follow(known, some, progress) for (_, known), some in groups.items())
        tiled = [one.view for some in groups.values() for one in some if in_windows(one)]
        if taken:
            self._unsettled = True
        elif self._unsettled:
            self._unsettled = self._windows.settle(tiled)
        return taken

    def _known(self, one: StoredView) -> int:
        return self._windows.read(one.view, [], 0).known if in_windows(one) else marked(self._online, [one.stored])[0]

    def _follow(self, known: int, views: list[StoredView], progress: Progress | None) -> int:
        source = views[0].view.source
        assert isinstance(source, StreamSource)
        version = self._lake.version(stream_table(source.name))
        if version < 0 or all(self._done.get(one.stored) == (version, known) for one in views):
            return 0
        columns = list(dict.fromkeys(column for one in views for column in one.view.columns))
        rows = stream_rows(self._lake, source, columns, known or None)
        taken = done = 0
        for some in _parts(rows):
            known = int(stamps_of(some)[-1])
            taken += self._take(views, some, known)
            done += some.num_rows
            if progress is not None:
                progress(done, rows.num_rows)
        self._done.update({one.stored: (version, known) for one in views})
        return taken

    def _take(self, views: list[StoredView], rows: pa.Table, known: int) -> int:
        source = views[0].view.source
        assert isinstance(source, StreamSource)
        events, taken = known_when_taken_in(rows, source.created), 0
        tiled = [one.view for one in views if in_windows(one)]
        if tiled:
            taken += self._windows.apply(tiled, events, {}, places_of(rows), known=known)
        for one in views:
            if not in_windows(one):
                begin(self._online, one.stored, known)
                taken += materialise(
                    self._online,
                    OnlineView.of(one.view, one.stored, one.dtypes),
                    events,
                    one.view.entity.keys,
                    timestamp=source.timestamp,
                    created=source.created,
                    columns=[field.column for field in one.view.plain],
                )
                if lost(self._online, one.stored, known):
                    raise NotReady("the online store was emptied meanwhile", Fault("view", one.stored, "fill it again"))
                mark(self._online, one.stored, known)
        return taken


def known_when_taken_in(rows: pa.Table, created: str) -> pa.Table:
    """Rows of a stream's table as events that were created when they were taken in, those of a history too that say
    otherwise: so a store that has a row knows how far it has come, and what it served can be computed again."""
    events = events_of(rows)
    return events.set_column(events.schema.get_field_index(created), created, rows["at"])


def _parts(rows: pa.Table) -> Iterator[pa.Table]:
    stamps = stamps_of(rows)
    start = 0
    while start < len(stamps):
        end = int(np.searchsorted(stamps, stamps[min(start + _BATCH, len(stamps)) - 1], "right"))
        yield rows.slice(start, end - start)
        start = end
