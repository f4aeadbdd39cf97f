"""How serving fared: latency, throughput, errors, and what processes used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tropism.core.clock import DAY
from tropism.feedback.schemas import SERVICE, SERVICE_NAME
from tropism.monitoring.service import Service, series, service

if TYPE_CHECKING:
    from tropism.loop.viewing.sources import Sources


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """`whole`: from `since` to `until` (µs); `series`: parts of it, as long as each other. `models` of each holds the
    task alone where one was asked for. `waiting`: what is missing, if anything."""

    task: str | None
    since: int
    until: int
    whole: Service
    series: tuple[Service, ...]
    waiting: str = ""


def service_of(sources: Sources, name: str | None = None, *, since: int | None = None, bins: int = 24) -> ServiceView:
    """How serving fared from `since` (µs; a day ago by default) until now, in `bins` parts.

    Raises:
        UnknownTask: there is none of that name.
    """
    now = sources.clock.now()
    if name is not None:
        sources.task(name)
    start = min(now - DAY if since is None else since, now - 1)
    rows = sources.lake.read(SERVICE_NAME, schema=SERVICE, since=start, until=now)
    return ServiceView(
        task=name,
        since=start,
        until=now,
        whole=_of(service(rows, start, now), name),
        series=tuple(_of(part, name) for part in series(rows, start, now, bins)),
        waiting="" if rows.num_rows else "no data plane told anything of this time; each does once a minute",
    )


def _of(found: Service, name: str | None) -> Service:
    if name is None:
        return found
    return msgspec.structs.replace(found, models={task: one for task, one in found.models.items() if task == name})
