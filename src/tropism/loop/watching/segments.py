"""Drift within the segments that were declared: a monitor of the features for each."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pyarrow as pa

from tropism.core.errors import DataInvalid
from tropism.loop.watching.reference import features_reference
from tropism.loop.watching.taking import take_in
from tropism.monitoring.segments.masks import Route, routed, routes
from tropism.monitoring.watch.monitor import Monitor, begin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tropism.core.task import Task
    from tropism.loop.watching.history import Levels
    from tropism.loop.watching.reference import First
    from tropism.loop.watching.rows import Rows
    from tropism.monitoring.watch.store import MonitorStore
    from tropism.storage.lake import Lake

MOST = 16
"""Segments that are watched, in all."""


class Segmented(msgspec.Struct, frozen=True, kw_only=True):
    """`monitors` by segment, for what was `declared`; `problems`: why a segment has none. `settings`: what they were
    made with."""

    declared: tuple[str, ...]
    ignored: tuple[str, ...]
    routes: tuple[Route, ...] = ()
    monitors: dict[str, Monitor] = {}
    problems: dict[str, str] = {}


class Looked(NamedTuple):
    """A look at a version's segments until a moment (µs). `run_length`: windows between two false alarms of all."""

    version: int
    until: int
    run_length: float
    first: Callable[[], First]
    read: Callable[[int, int], Rows]
    levels: Levels


def subject(version: int) -> str:
    """Where the monitors of a version's segments are kept, all together."""
    return f"segments/{version}"


def known_segments(store: MonitorStore, task: Task, version: int) -> tuple[int, Segmented | None]:
    """The monitors as the last look left them, with the number of their state."""
    number, state = store.get(task.name, subject(version))
    found = msgspec.msgpack.decode(state, type=Segmented) if state else None
    declared = task.monitoring.segments, task.monitoring.ignore
    return number, found if found is not None and (found.declared, found.ignored) == declared else None


def look_at_segments(lake: Lake, store: MonitorStore, task: Task, look: Looked, now: int) -> Segmented:
    """The monitors of a task's segments after all rows until then.

    Raises:
        DataInvalid: there is nothing to compare with yet.
    """
    number, found = known_segments(store, task, look.version)
    before = found or _begun(task, look)
    if found is not None and all(monitor.until == look.until for monitor in found.monitors.values()):
        return found
    after = _advanced(lake, task, before, look)
    look.levels.keep()
    if not store.put(task.name, subject(look.version), msgspec.msgpack.encode(after), after=number, now=now):
        return known_segments(store, task, look.version)[1] or after
    return after


def _begun(task: Task, look: Looked) -> Segmented:
    first, declared, ignored = look.first(), task.monitoring.segments, task.monitoring.ignore
    chosen, problems = routes(task, first.table, declared, MOST)
    parts = routed(task, first.table, chosen)
    monitors = {}
    for route in chosen:
        part = first.table.filter(pa.array(parts[route.name]))
        try:
            origin = f"{first.origin}, those of {route.name}"
            reference = features_reference(task, part, origin, [route.feature])  # it is the same in all of them
            monitors[route.name] = begin(
                reference,
                first.start,
                run_length=look.run_length * len(chosen),
                tolerance=task.monitoring.tolerance,
                ignored=ignored,
            )
        except DataInvalid as error:
            problems[route.name] = error.message
    kept = tuple(route for route in chosen if route.name in monitors)
    return Segmented(declared=declared, ignored=ignored, routes=kept, monitors=monitors, problems=problems)


def _advanced(lake: Lake, task: Task, before: Segmented, look: Looked) -> Segmented:
    if not before.monitors:
        return before
    names = {f"features/{look.version}/{name}": name for name in before.monitors}
    monitors = {
        subject: msgspec.structs.replace(
            before.monitors[name],
            run_length=look.run_length * len(before.routes),
            tolerance=task.monitoring.tolerance,
        )
        for subject, name in names.items()
    }
    after = take_in(lake, task, monitors, look.until, partial(_parts, task, before, look), look.levels)
    return msgspec.structs.replace(before, monitors={names[subject]: one for subject, one in after.items()})


def _parts(task: Task, segmented: Segmented, look: Looked, start: int, end: int) -> Mapping[str, Rows]:
    rows = look.read(start, end)
    inside = routed(task, rows.table, segmented.routes)
    return {f"features/{look.version}/{name}": rows.where(mask) for name, mask in inside.items()}
