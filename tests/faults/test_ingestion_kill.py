"""Ingestion is killed again and again, at any moment; afterwards each event is in the lake exactly once.

Run as a script, this file is the process that is killed.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tropism.core.events import Outcome, Prediction, encode
from tropism.core.task import Feature, Task
from tropism.feedback import Cohorts, Ingestion
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter
from tropism.storage.lake import Lake, LakeSettings

KILLS = 15
EACH_ROUND = 280
TASK = Task(name="price", kind="binary", target="up", features=(Feature("demand"),), outcome_window="1d")
RUBBISH = b"\xc1 no event"


class FileCursors:
    """Cursors in a file that is replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str) -> Any:
        return json.loads(self._path.read_text()).get(name) if self._path.exists() else None

    def set(self, name: str, value: Any, *, now: int) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({name: value}))
        fresh.replace(self._path)


def find(name: str) -> Task | None:
    return TASK if name == TASK.name else None


def ingest(folder: Path, *, until_caught_up: bool) -> None:
    """What the killed process does: small batches, so that there are many moments to be killed in."""
    lake = Lake(folder / "lake", LakeSettings(compact_after=6, checkpoint_every=10, durability="os"))
    ingestion = Ingestion(JournalReader(folder / "journal"), lake, find, FileCursors(folder / "cursors.json"))
    ingestion.run(limit=1)
    print("ready", flush=True)  # noqa: T201
    while True:
        for _ in range(16):
            done = ingestion.run(limit=30)
        for name in lake.names():
            lake.maintain(name)
        if done.caught_up and until_caught_up:
            return


def write_round(writers: list[JournalWriter], number: int) -> None:
    """Predictions, their outcomes and some rubbish, over all writers."""
    for index in range(EACH_ROUND):
        key = f"{number:03}-{index:04}"
        at = number * 1_000_000 + index
        prediction = Prediction(
            id=key, task="price", at=at, features={"demand": float(index)}, scores=(0.5,), version=1
        )
        outcome = Outcome(id=f"o{key}", task="price", value=1.0, at=at, received=at + 1, prediction_id=key)
        writers[index % 3].append([encode(prediction)])
        writers[(index + 1) % 3].append([encode(outcome)])
        if index % 40 == 0:
            writers[index % 3].append([RUBBISH])


def start(folder: Path, how: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, __file__, str(folder), how], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill_within(process: subprocess.Popen[str], seconds: float) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.communicate()


def is_half_done(folder: Path) -> bool:
    """Whether some table has a batch that the cursor does not know of."""
    lake = Lake(folder / "lake")
    cursor = FileCursors(folder / "cursors.json").get("ingestion") or {}
    positions = [lake.state(name).positions or {} for name in lake.names()]
    return any(seq > cursor.get(writer, 0) for known in positions for writer, seq in known.items())


@pytest.mark.fault
def test_each_event_is_in_the_lake_once_after_many_kills(tmp_path: Path) -> None:
    chance = random.Random(20260)
    settings = JournalSettings(fsync="os", reserve=0, segment_bytes=65_536)
    writers = [JournalWriter(tmp_path / "journal", settings) for _ in range(3)]
    half_done = 0
    for number in range(KILLS):
        write_round(writers, number)
        kill_within(start(tmp_path, "forever"), chance.uniform(0, 0.4))
        half_done += is_half_done(tmp_path)
    assert half_done > 0
    last = start(tmp_path, "finish")
    assert last.wait(60) == 0
    last.communicate()
    for writer in writers:
        writer.close()

    lake = Lake(tmp_path / "lake")
    events = KILLS * EACH_ROUND
    for table in ("price/predictions", "price/outcomes"):
        found = lake.read(table, columns=["id", "writer", "seq"])
        assert found.num_rows == events
        assert set(Counter(found["id"].to_pylist()).values()) == {1}
    rejected = lake.read("_rejected")
    places = set(zip(rejected["writer"].to_pylist(), rejected["seq"].to_pylist(), strict=True))
    assert rejected.num_rows == len(places) == events // 40
    assert set(rejected["payload"].to_pylist()) == {RUBBISH}
    matured = Cohorts(lake).matured(TASK, now=KILLS * 1_000_000 + TASK.window)
    assert matured.table.num_rows == events
    assert matured.table["label"].to_pylist() == [1.0] * events


if __name__ == "__main__":
    ingest(Path(sys.argv[1]), until_caught_up=sys.argv[2] == "finish")
