from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tropism.core.errors import TrainingFailed
from tropism.training.request import Span, TrainingRequest, TrainingResult
from tropism.training.subprocess import Cancelled, run_training

MakeRequest = Callable[..., TrainingRequest]
SECOND = 1_000_000
DEADLINE = 60.0
SLOW = tuple(Span(f"part-{n}", rows=5_000 - n) for n in range(200))
"""Spans enough that a training is still running when it is to be stopped."""


def run(
    request: TrainingRequest,
    folder: Path,
    on_progress: Callable[[float, str], None] = lambda share, text: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> TrainingResult:
    return run_training(request, folder, on_progress, cancelled)


@pytest.fixture
def slow(request_of: MakeRequest, rows_of: Callable[..., dict[str, object]]) -> TrainingRequest:
    return request_of(rows=rows_of(5_000), spans=SLOW)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The training processes that were started."""
    processes: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            processes.append(self)

    monkeypatch.setattr("tropism.training.subprocess.subprocess.Popen", Noted)
    return processes


def lives(process: int) -> bool:
    """One that ended, but that nobody has looked after yet, does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def wait_until_gone(process: int) -> None:
    deadline, pause = time.monotonic() + DEADLINE, threading.Event()
    while time.monotonic() < deadline:
        if not lives(process):
            return
        pause.wait(0.02)
    raise AssertionError(f"process {process} lives")


def test_the_same_request_makes_the_same_artifact_in_any_process(request_of: MakeRequest, tmp_path: Path) -> None:
    said: list[tuple[float, str]] = []
    request = request_of()
    first = run(request, tmp_path / "one", lambda share, text: said.append((share, text)))
    second = run(request, tmp_path / "two")
    assert first.artifact == second.artifact
    assert first.data == second.data
    assert first.rows == 300
    shares = [share for share, _ in said]
    assert shares == sorted(shares)
    assert said[0] == (0.0, "fitting linear on all")
    assert (tmp_path / "one" / "log.txt").exists()


def test_an_error_keeps_its_words_and_its_faults(
    request_of: MakeRequest, rows_of: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    with pytest.raises(TrainingFailed, match="there are 10 labelled rows") as refused:
        run(request_of(rows=rows_of(10)), tmp_path / "work")
    assert [(fault.field, fault.value) for fault in refused.value.faults] == [("rows", "10")]


def test_a_job_that_needs_more_memory_than_allowed_names_the_setting(request_of: MakeRequest, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="out of memory") as refused:
        run(msgspec.structs.replace(request_of(), memory_mb=64), tmp_path / "work")
    (fault,) = refused.value.faults
    assert (fault.field, fault.value) == ("training.memory_mb", "64")
    assert "raise training.memory_mb" in fault.fix


def test_a_job_past_its_time_limit_is_stopped_and_names_the_setting(
    slow: TrainingRequest, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    begun = time.monotonic()
    with pytest.raises(TrainingFailed, match="time limit") as refused:
        run(msgspec.structs.replace(slow, timeout=SECOND // 2), tmp_path / "work")
    assert refused.value.faults[0].field == "training.timeout"
    assert time.monotonic() - begun < DEADLINE
    assert [process.poll() for process in started] == [-signal.SIGKILL]


def test_a_cancelled_job_stops(slow: TrainingRequest, tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    said: list[str] = []
    with pytest.raises(Cancelled, match="cancelled"):
        run(slow, tmp_path / "work", lambda share, text: said.append(text), lambda: len(said) > 0)
    assert len(said) < len(SLOW)
    assert [process.poll() for process in started] == [-signal.SIGKILL]


def test_a_killed_process_is_an_error_that_can_be_told_from_others(
    slow: TrainingRequest, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    def kill(share: float, text: str) -> None:
        started[0].kill()

    with pytest.raises(TrainingFailed, match="the training process ended with signal 9") as refused:
        run(slow, tmp_path / "work", kill)
    assert "memory" in refused.value.faults[0].fix


def test_a_failure_of_who_listens_leaves_no_process_behind(
    slow: TrainingRequest, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    def fail(share: float, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(slow, tmp_path / "work", fail)
    assert [process.poll() for process in started] == [-signal.SIGKILL]


PARENT = """
import subprocess, sys
from pathlib import Path
import msgspec
from tropism.training.request import TrainingRequest
from tropism.training.subprocess import run_training

class Told(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print(self.pid, flush=True)

subprocess.Popen = Told
request = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=TrainingRequest)
run_training(request, Path(sys.argv[2]), lambda share, text: print(text, flush=True), lambda: False)
"""


def test_a_training_ends_with_its_parent_even_by_kill(slow: TrainingRequest, tmp_path: Path) -> None:
    asked = tmp_path / "asked.json"
    asked.write_bytes(msgspec.json.encode(slow))
    command = [sys.executable, "-c", PARENT, str(asked), str(tmp_path / "work")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        training = int(parent.stdout.readline())
        assert parent.stdout.readline().startswith("fitting")
        parent.kill()
    wait_until_gone(training)
