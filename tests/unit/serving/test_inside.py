from __future__ import annotations

import faulthandler
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tropism.serving.inside import Marks, last_crash

RUN = """
import ctypes, os, signal, sys, threading
from pathlib import Path
from tropism.serving.inside import Marks
marks = Marks(Path(sys.argv[1]), 0)
die = {
    "segv": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(3),
}[sys.argv[2]]
def scoring():
    marks.scoring.enter(7, 3)
def loading():
    marks.loading.enter(8, 4)
def elsewhere(what):
    thread = threading.Thread(target=what)
    thread.start()
    thread.join()
exec(sys.argv[3])
die()
"""


def dies(folder: Path, how: str, doing: str) -> int:
    done = subprocess.run([sys.executable, "-c", RUN, str(folder), how, doing], timeout=120)
    return done.returncode


@pytest.fixture(autouse=True)
def _reports() -> Iterator[None]:
    """What pytest has turned on is turned on again."""
    was = faulthandler.is_enabled()
    yield
    if was:
        faulthandler.enable(2)


@pytest.mark.parametrize(
    ("how", "sign", "cause"),
    [("segv", signal.SIGSEGV, "Segmentation fault"), ("abort", signal.SIGABRT, "Aborted")],
)
def test_a_crash_inside_a_model_names_it(tmp_path: Path, how: str, sign: int, cause: str) -> None:
    assert dies(tmp_path, how, "scoring()") == -sign
    crash = last_crash(tmp_path, 0)
    assert crash is not None
    assert (crash.cause, crash.tag, crash.version, crash.doing) == (cause, 7, 3, "scoring")
    assert "Fatal Python error" in crash.report
    assert last_crash(tmp_path, 1) is None, "another worker did not crash"


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_an_end_without_a_crash_blames_nobody(tmp_path: Path, how: str) -> None:
    dies(tmp_path, how, "scoring()")
    assert last_crash(tmp_path, 0) is None


def test_a_crash_outside_of_any_model_blames_none(tmp_path: Path) -> None:
    dies(tmp_path, "segv", "scoring(); marks.scoring.leave()")
    crash = last_crash(tmp_path, 0)
    assert crash is not None
    assert (crash.tag, crash.version, crash.doing) == (0, 0, "")


@pytest.mark.parametrize(
    ("doing", "blamed"),
    [
        ("elsewhere(loading); scoring()", (7, 3, "scoring")),
        ("elsewhere(scoring); loading()", (8, 4, "loading")),
        ("elsewhere(scoring); elsewhere(loading)", (0, 0, "")),
    ],
)
def test_the_thread_that_crashed_is_blamed(tmp_path: Path, doing: str, blamed: tuple[int, int, str]) -> None:
    dies(tmp_path, "segv", doing)
    crash = last_crash(tmp_path, 0)
    assert crash is not None
    assert (crash.tag, crash.version, crash.doing) == blamed


def test_a_thread_that_python_does_not_know_may_be_of_either(tmp_path: Path) -> None:
    dies(tmp_path, "segv", "scoring(); loading()")
    report = tmp_path / "crash-0"
    report.write_text(report.read_text().replace("Current thread", "Thread"))
    crash = last_crash(tmp_path, 0)
    assert crash is not None
    assert crash.doing == "loading"


def test_a_new_process_begins_without_a_past(tmp_path: Path) -> None:
    dies(tmp_path, "segv", "scoring()")
    marks = Marks(tmp_path, 0)
    assert last_crash(tmp_path, 0) is None
    marks.close()
    assert not faulthandler.is_enabled()


@pytest.mark.parametrize("damage", [b"", b"\xff" * 5])
def test_damaged_marks_leave_the_crash(tmp_path: Path, damage: bytes) -> None:
    dies(tmp_path, "segv", "scoring()")
    (tmp_path / "inside-0").write_bytes(damage)
    crash = last_crash(tmp_path, 0)
    assert crash is not None
    assert (crash.cause, crash.version) == ("Segmentation fault", 0)
