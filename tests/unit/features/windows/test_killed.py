from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from tests.unit.features.windows import applying
from tests.unit.features.windows.streams import labels, random_events, table, view

from tropism.core.clock import SECOND, from_datetime
from tropism.features.windows import WindowStore, window_values

EVENTS = 4_000


def test_after_kills_the_values_are_those_of_an_undisturbed_run(tmp_path: Path) -> None:
    path, chance, kills = tmp_path / "killed.sqlite", random.Random(6), 0
    for _ in range(8):
        process = _started(path)
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 30)):
            if not process.stdout.readline():
                break
        kills += process.poll() is None
        process.kill()
        process.wait()
        process.stdout.close()
    process = _started(path)
    process.communicate()
    assert process.returncode == 0
    assert kills >= 5

    applying.run(tmp_path / "whole.sqlite", EVENTS)
    of, events = view(), random_events(5, EVENTS)
    now = from_datetime(events[-1]["arrived"]) + 1
    keys = [f"a{number}" for number in range(40)]
    stores = [WindowStore(tmp_path / name) for name in ("killed.sqlite", "whole.sqlite")]
    for time in (now, now + SECOND, now + 5 * SECOND):
        killed, whole = (store.values(of, keys, time) for store in stores)
        assert (
            killed == whole == window_values(of, table(events), labels([(key, time) for key in keys]), "t").to_pylist()
        )
    assert stores[0].offsets(of) == stores[1].offsets(of) == {"0": EVENTS - 1}
    for store in stores:
        store.close()


def _started(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", applying.__name__, str(path), str(EVENTS)]
    root = Path(__file__).parents[4]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
