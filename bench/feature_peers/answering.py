"""A worker: a process that answers requests of one JSON line each, and measures itself. Standard library only, since
it runs in the environments of others too."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any

WARM_UP = 20


def answer(tasks: dict[str, Callable[..., dict[str, Any]]]) -> None:
    """Runs the task that each line of standard input names by `do`, with the rest of it as arguments, until its end.

    Whatever a library prints goes to standard error. Where memory runs out, this process is the first to go.
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(tasks[asked.pop("do")](**asked)), file=out, flush=True)


def peak_mib() -> float:
    """Of this program alone: `ru_maxrss` begins at what the process that started it held."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Fills what it gives with seconds on the clock, CPU seconds of all threads, and the process's peak memory."""
    found: dict[str, float] = {}
    start, cpu = time.perf_counter(), time.process_time()
    yield found
    found["seconds"] = time.perf_counter() - start
    found["cpu_seconds"] = time.process_time() - cpu
    found["peak_mib"] = peak_mib()


def repeated(
    read: Callable[[Sequence[int]], object], batches: Sequence[Sequence[int]], seconds: float
) -> dict[str, Any]:
    """Reads every batch once, and goes round again until so many seconds are over."""
    for batch in batches[:WARM_UP]:
        read(batch)
    done, start, cpu = 0, time.perf_counter(), time.process_time()
    for batch in cycle(batches):
        read(batch)
        done += 1
        if done >= len(batches) and time.perf_counter() - start >= seconds:
            break
    took = time.perf_counter() - start
    used = time.process_time() - cpu
    return {"reads": done, "cpu_us": used / done * 1e6, "wall_us": took / done * 1e6, "reads_a_second": done / took}
