"""Fills the feature store: views from their sources, streams from files with their history."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import Fault, InvalidInput
from tropism.features.sources import StreamSource
from tropism.features.store.materialising import materialise_view
from tropism.features.store.sources import note
from tropism.features.store.stamping import STAMPS, Stamps
from tropism.features.store.streams import MOMENT, stream_table
from tropism.features.streams import lake_schema
from tropism.featurestore.history_files import NUMBER, read_history

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tropism.features.checks.reports import Report
    from tropism.features.store.definitions import StoredView
    from tropism.featurestore.history_files import History
    from tropism.featurestore.store import FeatureStore

    Progress = Callable[[int, int], None]

CHUNK = 100_000
"""Rows of history that go into the lake in one commit."""
_TOGETHER = 2_000
"""Rows that are taken in at one moment. They become known together, and views take them in one step."""


class Filled(NamedTuple):
    """`rows` read, `written` rows that the store took, for windows events. `failed`: rules that failed, with how many
    rows did."""

    rows: int
    written: int
    failed: tuple[str, ...] = ()


class Brought(NamedTuple):
    """`rows` of the file, `new` that went into the lake now, `kept_out` by rules. `failed`: as in `Filled`."""

    rows: int
    new: int
    kept_out: int
    failed: tuple[str, ...]


def views_to_fill(store: FeatureStore, names: Sequence[str], *, streams: bool = False) -> list[StoredView]:
    """The views of these names, such as `spend` or `spend@1`; without names every version that is served of views over
    files, tables and databases, and with `streams` of the others too.

    Raises:
        UnknownFeature: there is no such view.
        InvalidInput: it is no view.
    """
    definitions = store.definitions()
    if not names:
        return [one for one in definitions.versions.values() if streams or not one.view.streamed]
    found = {}
    for name in names:
        one = definitions.views.get(name) or definitions.versions.get(name) or definitions.find(name)[0].view
        if one is None:
            fix = "name views; on-demand features are computed when they are asked for"
            raise InvalidInput(f"'{name}' is no view", Fault("view", repr(name), fix))
        found[one.stored] = one
    return list(found.values())


def fill(store: FeatureStore, one: StoredView, progress: Progress | None = None) -> Filled:
    """Brings one view up to what its source has now. Running it again, after a failure or not, writes what is missing.

    Raises:
        What `materialise_view` and `Follower.run` raise.
    """
    if one.view.streamed:
        told = [0]

        def tell(done: int, total: int) -> None:
            told[0] = total
            if progress is not None:
                progress(done, total)

        taken = store.follower.run([one], tell)
        return Filled(told[0], taken)
    sources = store.sources("materialise")
    done = materialise_view(one, sources, store.online, store.opened.clock.now())
    return Filled(done.rows, done.written, _failed(sources.reports.get(one.view.name)))


def follow(store: FeatureStore, stream: str, progress: Progress | None = None) -> list[str]:
    """Brings the views over a stream up to its history; which they are.

    Raises:
        What `Follower.run` raises.
    """
    views = [one for one in store.definitions().versions.values() if _over(one, stream)]
    store.follower.run(views, progress)
    return [one.stored for one in views]


def backfill(
    store: FeatureStore, stream: str, file: Path, arrived: str | None = None, progress: Progress | None = None
) -> Brought:
    """Brings a file with the history of a stream into the lake, each row once: the same content again adds nothing,
    and goes on where it was cut short. `progress` is told rows done, and of how many.

    Raises:
        UnknownFeature: there is no such stream.
        DiskFull: what was brought stays; do it again.
        What `read_history` raises: nothing was brought in.
    """
    source = store.stream(stream)
    keys = next(keys for one, keys in store.opened.registry.pushable() if one.name == stream)
    history = read_history(file, source, keys, store.opened.clock.now(), arrived)
    lake = store.opened.lake
    reached = lake.position(stream_table(stream), history.writer)
    if not reached:
        note(lake, stream, "backfill", history.report, store.opened.clock.now())
    new = _append(store, source, history, reached, progress)
    return Brought(history.rows, new, history.rows - len(history.events), _failed(history.report))


def _append(
    store: FeatureStore, source: StreamSource, history: History, reached: int, progress: Progress | None
) -> int:
    numbers = history.events[NUMBER].to_numpy()
    begin, new = int(np.searchsorted(numbers, reached, "right")), 0
    stamps, lake = Stamps(store.opened.state / STAMPS), store.opened.lake
    name, columns = stream_table(source.name), tuple(source.schema)
    for start in range(begin, len(numbers), CHUNK):
        events, seq = history.events.slice(start, CHUNK), numbers[start : start + CHUNK]
        steps = np.arange(len(seq)) // _TOGETHER
        schema = lake_schema(source)
        with stamps.taken(_after(store, name), int(steps[-1]) + 1) as first:
            own = [
                pa.array(first + steps).cast(MOMENT),
                pa.array([history.writer] * len(seq)),
                pa.array(seq),
                pa.array(np.zeros(len(seq), np.int64)),
            ]
            arrays = [*own, *(events[column] for column in columns)]
            table = pa.Table.from_arrays(arrays, names=schema.names).cast(schema)
            new += lake.append(name, table, positions={history.writer: int(seq[-1])}).rows
        if progress is not None:
            progress(start + len(seq), len(numbers))
    return new


def _after(store: FeatureStore, name: str) -> int:
    """Now, or later if the table says so: its events may have come by another machine's clock."""
    now = store.opened.clock.now()
    late = store.opened.lake.read(name, schema=pa.schema([("at", MOMENT)]), since=now)
    last = pc.max(late["at"].cast(pa.int64())).as_py()
    return now if last is None else int(last) + 1


def _over(one: StoredView, stream: str) -> bool:
    return isinstance(one.view.source, StreamSource) and one.view.source.name == stream


def _failed(report: Report | None) -> tuple[str, ...]:
    return tuple(f"{one.rule.title} ({one.failures})" for one in (report.rules if report else ()) if one.broken)
