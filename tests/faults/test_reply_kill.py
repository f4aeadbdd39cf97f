"""A data plane dies after it recorded what it was asked, before it could say so; its caller asks again.

Run as a script, this file is the data plane that dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tropism.config import load_settings
from tropism.core.clock import SECOND
from tropism.core.events import Outcome, Prediction, decode
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.run import run_data_plane
from tropism.entrypoints.api.server import bind
from tropism.sdk import Client
from tropism.storage.journal import JournalReader, JournalWriter
from tropism.wiring import Platform

pytestmark = pytest.mark.fault

TASK = Task(name="price", kind="binary", target="up", features=(Feature("demand"),), outcome_window="1h")
DEATHS = 6
ROWS = 40


def serve(folder: Path, appends: int) -> None:
    """A data plane that dies after so many appends to its journal; 0: after none."""
    append = JournalWriter.append
    left = appends

    def fatal(writer: JournalWriter, payloads: Sequence[bytes]) -> int:
        nonlocal left
        seq = append(writer, payloads)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return seq

    JournalWriter.append = fatal  # type: ignore[method-assign, assignment]
    run_data_plane(load_settings(folder, environment={}))


class Keeper:
    """Starts the data plane again each time it died."""

    def __init__(self, folder: Path) -> None:
        self.deaths = 0
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep)
        self._process = self._start()
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        appends = 1 + self.deaths % 3 if self.deaths < DEATHS else 0
        with (self._folder / "data-plane.log").open("ab") as log:
            command = [sys.executable, __file__, str(self._folder), str(appends)]
            return subprocess.Popen(command, stdout=log, stderr=log)

    def _keep(self) -> None:
        while not self._stop.wait(0.02):
            if self._process.poll() is not None:
                assert self._process.returncode == -signal.SIGKILL
                self.deaths += 1
                self._process = self._start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._process.terminate()
        self._process.wait(30)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with bind("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    (tmp_path / "tropism.toml").write_text(f"[http]\nport = {port}\n")
    made = Platform(load_settings(tmp_path, environment={}))
    made.registry.tasks.apply(TASK, 0)
    yield made
    made.database.dispose()


def test_what_is_asked_again_counts_once(platform: Platform, tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    rows: list[dict[str, Any]] = [{"demand": float(number)} for number in range(ROWS)]
    try:
        with Client(f"http://127.0.0.1:{platform.settings.http.port}", retries=100, timeout=60) as client:
            predictions = client.predict_many("price", rows[: ROWS // 2])
            predictions += [client.predict("price", row) for row in rows[ROWS // 2 :]]
            outcomes = client.outcomes([(one, True) for one in predictions[:10]]).outcome_ids
            outcomes += tuple(client.outcome(one, True) for one in predictions[10:])
    finally:
        keeper.close()
    assert keeper.deaths == DEATHS
    records = JournalReader(platform.journal_folder).read({})
    recorded = sum(isinstance(event, Prediction | Outcome) for record in records for event in decode(record.payload))
    assert recorded > 2 * ROWS, "nothing was asked again"
    assert JournalReader(platform.journal_folder).verify() == []

    platform.ingest()
    later = platform.clock.now() + 2 * 3_600 * SECOND
    matured = platform.cohorts.matured(TASK, now=later).table
    assert sorted(matured["id"].to_pylist()) == sorted(one.prediction_id for one in predictions)
    assert set(matured["label"].to_pylist()) == {1.0}
    counts = platform.cohorts.counts(TASK, later)
    assert (counts.predictions, counts.answered, counts.unknown) == (ROWS, ROWS, 0)
    assert recorded == counts.outcomes + platform.lake.read("price/predictions", columns=["id"]).num_rows
    assert set(platform.lake.read("price/outcomes", columns=["id"])["id"].to_pylist()) == set(outcomes)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
