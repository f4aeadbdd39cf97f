"""Drift of all features together, on demand: the rows of the reference against the newest ones served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tropism.core.errors import Fault, InvalidInput
from tropism.loop.watching.rows import rows_before, rows_served
from tropism.monitoring.multivariate import JointDrift, adversarial_drift, reconstruction_drift

if TYPE_CHECKING:
    import pyarrow as pa

    from tropism.core.task import Task
    from tropism.loop.viewing.sources import Sources

Method = Literal["adversarial", "reconstruction"]
ROWS, FEWEST, MOST = 10_000, 100, 50_000


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`reference`: what the current rows are compared with, in words. `found`: None while `waiting` for rows."""

    task: str
    version: int | None
    method: Method
    reference: str = ""
    found: JointDrift | None = None
    waiting: str = ""


def compare(sources: Sources, name: str, method: Method, *, since: int | None = None, rows: int = ROWS) -> Comparison:
    """Takes seconds. `rows`: of each side, at most; the newest ones served from `since` (µs) on are the current ones.

    Features that the task says to ignore take no part.

    Raises:
        UnknownTask: there is none of that name.
        InvalidInput: there is no such method, or `rows` is out of range.
    """
    if method not in ("adversarial", "reconstruction"):
        raise InvalidInput("there is no such method", Fault("method", method, "use 'adversarial' or 'reconstruction'"))
    if not FEWEST <= rows <= MOST:
        raise InvalidInput("these rows are out of range", Fault("rows", str(rows), f"use {FEWEST} to {MOST}"))
    task = sources.task(name)
    live = sources.registry.aliases.live(name)
    report = Comparison(task=name, version=None if live is None else live.champion, method=method)
    if live is None:
        return msgspec.structs.replace(report, waiting="there is no champion yet")
    reference, origin, start = _reference(sources, task, live.champion, live.since, rows)
    begun = start if since is None else max(since, start)
    current = rows_served(sources.lake, task, begun, sources.clock.now() + 1, most=rows)
    if min(reference.num_rows, current.num_rows) < FEWEST:
        told = f"{reference.num_rows:,} rows before and {current.num_rows:,} since are there; it takes {FEWEST} of each"
        return msgspec.structs.replace(report, waiting=told)
    features = [feature for feature in task.features if feature.name not in task.monitoring.ignore]
    find = adversarial_drift if method == "adversarial" else reconstruction_drift
    return msgspec.structs.replace(report, reference=origin, found=find(reference, current, features, most=rows))


def _reference(sources: Sources, task: Task, version: int, since: int, rows: int) -> tuple[pa.Table, str, int]:
    """Rows from before the champion was trained, else the first half of those it was asked; and when they end (µs)."""
    made = sources.registry.versions.get(task.name, version).created_at
    before = rows_before(sources.lake, task, made, rows)
    if before.num_rows >= FEWEST:
        return before, f"the last {before.num_rows:,} rows before version {version} was trained", since
    served = rows_served(sources.lake, task, since, sources.clock.now() + 1)
    first = served.slice(0, min(rows, served.num_rows // 2))
    end = since if not first.num_rows else int(first["at"][-1].value) + 1
    return first, f"the first {first.num_rows:,} rows served", end
