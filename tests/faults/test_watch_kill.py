"""A worker dies at its looks, before or after a state is written, again and again; no window is lost or counted twice.

Run as a script, this file is the worker that is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.loop.watching.place import MINUTE, START, Place, task_of, times

from tropism.core.clock import SECOND
from tropism.loop.watching.history import levels_name
from tropism.monitoring.watch.store import MonitorStore

if TYPE_CHECKING:
    from tropism.loop.watching.watch import Watched

ROOT = Path(__file__).parents[2]
KILLS = 40 if os.environ.get("TROPISM_FAULTS") == "full" else 8
TASK = task_of(segments=("c",))
MINUTES = 3
"""Of traffic between two lives."""


def live_once(folder: Path, now: int, writes: int, *, after: bool) -> None:
    """Looks, and dies at so many writes of a state: after it, or before it, when the history is written."""
    left, put = writes, MonitorStore.put

    def mortal(*given: Any, **named: Any) -> bool:
        nonlocal left
        left -= 1
        if left == 0 and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = put(*given, **named)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    MonitorStore.put = mortal  # type: ignore[method-assign]
    Place(folder, TASK).look(now)


def traffic(place: Place, part: int) -> int:
    """The same minutes of traffic in every place; when they are in the lake."""
    start, count = START + part * MINUTES * MINUTE, MINUTES * 100
    end = start + MINUTES * MINUTE
    place.served(times(start, end, count), place.rows(count, shift=0.2))
    return end + 10 * SECOND


def left_behind(place: Place, found: Watched) -> tuple[dict[str, tuple[int, int, int]], list[dict[str, Any]]]:
    """Windows and rows that each monitor took in, and the history."""
    monitors = found.monitors | found.segments
    table = place.platform.lake.read(levels_name("price"), columns=["subject", "at", "rows"])
    history = table.sort_by([("subject", "ascending"), ("at", "ascending")]).to_pylist()
    return {name: (one.windows, one.rows, one.until) for name, one in monitors.items()}, history


@pytest.mark.fault
def test_looks_that_are_killed_leave_what_others_leave(tmp_path: Path) -> None:
    killed, calm = (Place(tmp_path / name, TASK) for name in ("killed", "calm"))
    for place in (killed, calm):
        place.begun()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for part in range(KILLS):
        now = traffic(killed, part)
        traffic(calm, part)
        words = [str(tmp_path / "killed"), str(now), str(1 + part % 2), str(part // 2 % 2)]
        died = subprocess.run([sys.executable, __file__, *words], env=environment, cwd=ROOT, timeout=120, check=False)
        assert died.returncode == -signal.SIGKILL
    last = traffic(killed, KILLS)
    assert traffic(calm, KILLS) == last
    found, expected = killed.look(last), calm.look(last)
    assert left_behind(killed, found) == left_behind(calm, expected)
    for name, monitor in (expected.monitors | expected.segments).items():
        assert (found.monitors | found.segments)[name].score == pytest.approx(monitor.score, rel=1e-3, abs=1e-6)
    assert expected.monitors["features"].score > 0.1
    for place in (killed, calm):
        place.close()


if __name__ == "__main__":
    live_once(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), after=sys.argv[4] == "1")
