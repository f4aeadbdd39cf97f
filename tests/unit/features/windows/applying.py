"""Run as a process that is killed: applies a stream to a store in batches, from where the store has come."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.unit.features.windows.streams import random_events, view

from tropism.core.clock import SECOND, ManualClock, from_datetime
from tropism.features.windows import WindowStore

BATCH = 20


def run(path: Path, count: int) -> None:
    """Every second batch begins before what was taken, as a source does that does not know."""
    of, clock = view(), ManualClock()
    events = random_events(5, count)
    store = WindowStore(path, clock, SECOND)
    reached = store.offsets(of).get("0", -1)
    start = max(0, reached - 7)
    while start < count:
        end = min(count, start + BATCH)
        clock.set(from_datetime(events[end - 1]["arrived"]))
        store.apply([of], events[start:end], {"0": end - 1}, [("0", offset) for offset in range(start, end)])
        sys.stdout.write(f"{end}\n")
        sys.stdout.flush()
        start = end - (5 if end % 2 and end < count else 0)
    store.close()


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]))
