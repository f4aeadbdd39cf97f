from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tropism.serving import meter_files as module
from tropism.serving.meter_files import MeterFiles, clear, publish, published
from tropism.serving.meters import Meters


def followed(folder: Path, number: int, by: int = 0) -> tuple[MeterFiles, Meters]:
    files, meters = MeterFiles(folder, number), Meters()
    files.follow(meters)
    meters.errors.add("conflict", by=by)
    return files, meters


def test_a_worker_that_is_started_again_counts_on(tmp_path: Path) -> None:
    first, meters = followed(tmp_path, 0, by=3)
    meters.in_flight, meters.connections, meters.journal_problem = 2, 9, "full"
    first.save()
    _, again = followed(tmp_path, 0, by=1)
    assert again.errors.values == {("conflict",): 4}
    assert (again.in_flight, again.connections, again.journal_problem) == (0, 0, ""), "what was open died with it"


def test_what_was_told_is_written_down_first(tmp_path: Path) -> None:
    first, _ = followed(tmp_path, 0, by=3)
    second, _ = followed(tmp_path, 1, by=5)
    assert first.exchange() == []
    (told,) = second.exchange()
    assert told.errors.values == {("conflict",): 3}
    assert [one.errors.values for one in first.exchange()] == [{("conflict",): 5}]


def test_damaged_and_partial_files_are_left_out(tmp_path: Path) -> None:
    files, _ = followed(tmp_path, 0)
    (tmp_path / "meters-1.json").write_bytes(b"{")
    (tmp_path / "meters-2.partial").write_bytes(b"{")
    assert files.exchange() == []
    _, restored = followed(tmp_path, 1, by=1)
    assert restored.errors.values == {("conflict",): 1}


def test_it_saves_by_itself_and_when_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EVERY", 0.01)
    files, meters = followed(tmp_path, 0, by=1)
    files.start()
    reader, pause, deadline = MeterFiles(tmp_path, 1), threading.Event(), time.monotonic() + 60
    while not reader.others():
        assert time.monotonic() < deadline
        pause.wait(0.01)
    meters.errors.add("conflict")
    meters.in_flight = 1
    files.close()
    (last,) = reader.others()
    assert (last.errors.values, last.in_flight) == ({("conflict",): 2}, 0)


def test_a_disk_that_takes_nothing_is_no_error(tmp_path: Path) -> None:
    files, _ = followed(tmp_path, 0, by=1)
    (tmp_path / "meters-0.json").mkdir()
    assert files.exchange() == []


def test_a_fresh_start_forgets_counts_and_nothing_else(tmp_path: Path) -> None:
    files, _ = followed(tmp_path, 0, by=1)
    files.save()
    (tmp_path / "crash-0").touch()
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["crash-0"]


def test_processor_time_counts_on_over_a_restart_and_memory_does_not(tmp_path: Path) -> None:
    first, meters = followed(tmp_path, 0)
    first.exchange()
    before = meters.cpu_seconds
    assert before > 0
    again, restored = followed(tmp_path, 0)
    assert (restored.cpu_seconds, restored.memory_bytes) == (before, None)
    again.exchange()
    assert restored.cpu_seconds > before


def test_texts_are_told_while_they_are_fresh(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert published(folder) == []
    publish(folder, "worker", "a 1\n")
    publish(folder, "control", "b 1\n")
    publish(folder, "worker", "a 2\n")
    assert published(folder) == ["b 1\n", "a 2\n"]
    old = time.time() - 3_600
    os.utime(folder / "metrics-worker.prom", (old, old))
    (folder / "metrics-torn.prom").write_bytes(b"\xff")
    assert published(folder) == ["b 1\n"], "nobody vouches for what is old or damaged"


def test_a_text_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    publish(tmp_path / "run", "worker", "a 1\n")
    assert published(tmp_path / "run") == []
