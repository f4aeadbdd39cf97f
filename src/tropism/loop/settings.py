"""Settings of the loop worker."""

from __future__ import annotations

import msgspec


class LoopSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the worker runs.

    `name`: its own among the workers of a project; a worker takes up what one of the same name left behind.
    `automatic`: run cycles on each task's own schedule; when false only asked-for cycles run. `ingest_every`: time
    between two moves of the journal into the lake. `lease`: how long a dead worker keeps its tasks.
    `watch_every`: time between two looks at what monitoring finds, and its rules. `maintain_every`: time between two
    rounds of compaction and retention. `threads`: tasks worked on at once.
    """

    name: str = "worker"
    automatic: bool = True
    ingest_every: str = "1s"
    lease: str = "10s"
    watch_every: str = "15s"
    maintain_every: str = "10m"
    threads: int = 2
