from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tropism.config import Settings, load_settings
from tropism.core.errors import Conflict, NotWritable, PortInUse, SetupError
from tropism.entrypoints import supervisor as module
from tropism.entrypoints.api.attending import machine_folder
from tropism.entrypoints.api.server import free_ports
from tropism.entrypoints.supervisor import PROCESSES, SETUP_FAILED, Supervisor, bring_down, running
from tropism.serving import HttpSettings
from tropism.serving.meter_files import MeterFiles
from tropism.serving.meters import Meters

DEADLINE = 60.0
STAND_IN = f"""#!{sys.executable} -S
import os, signal, socket, sys
folder, name, lifeline = os.path.dirname(__file__), sys.argv[3], int(sys.argv[5])
with open(f"{{folder}}/{{name}}.pids", "a") as pids:
    pids.write(f"{{os.getpid()}}\\n")
if len(sys.argv) > 6:
    with open(f"{{folder}}/{{name}}.ports", "a") as ports:
        print(socket.socket(fileno=int(sys.argv[6])).getsockname()[1], file=ports)
act = f"{{folder}}/{{name}}.act"
if os.path.exists(act):
    word = open(act).read()
    os.remove(act)
    if word == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif word in ("words", "settings"):
        with open(f"{{folder}}/{{name}}.part", "w") as read:
            read.write(sys.stdin.read() if word == "settings" else " ".join(sys.argv))
        os.rename(f"{{folder}}/{{name}}.part", f"{{folder}}/{{name}}.read")
    else:
        print("a line of the log", flush=True)
        sys.exit(int(word))
os.read(lifeline, 1)
"""
"""Plays a process of the project: notes its id and the port it was handed, does once
what `NAME.act` says, then stays until told to stop."""


class Stage:
    """A supervisor over stand-ins, in a thread."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.said: list[str] = []
        self.failed: list[BaseException] = []
        self.supervisor: Supervisor | None = None
        self._thread = threading.Thread(target=self._run)

    def act(self, name: str, what: str) -> None:
        (self.folder / f"{name}.act").write_text(what)

    def start(self, *addresses: tuple[str, int]) -> Supervisor:
        self.supervisor = Supervisor(self.settings, addresses, self.said.append)
        self._thread.start()
        return self.supervisor

    def consume(self, **streams: str) -> None:
        features = msgspec.structs.replace(self.settings.features, streams=streams)
        self.settings = msgspec.structs.replace(self.settings, features=features)

    def _run(self) -> None:
        assert self.supervisor is not None
        try:
            self.supervisor.run()
        except SetupError as error:
            self.failed.append(error)

    def end(self) -> None:
        if self.supervisor is not None:
            self.supervisor.stop()
            self._thread.join(DEADLINE)
            assert not self._thread.is_alive()

    def pids(self, name: str) -> list[int]:
        return self._noted(f"{name}.pids")

    def ports(self, name: str) -> list[int]:
        return self._noted(f"{name}.ports")

    def _noted(self, name: str) -> list[int]:
        path = self.folder / name
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def wait(self, done: Callable[[], bool]) -> None:
        deadline, pause = time.monotonic() + DEADLINE, threading.Event()
        while not done():
            assert time.monotonic() < deadline
            pause.wait(0.02)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path / "project", environment={})


@pytest.fixture
def stage(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    stand_in = tmp_path / "stand-in"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    made = Stage(tmp_path, settings)
    yield made
    made.end()


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_every_process_runs_until_the_end(stage: Stage) -> None:
    supervisor = stage.start()
    stage.wait(lambda: all(stage.pids(name) for name in PROCESSES))
    assert supervisor.children == {name: stage.pids(name)[0] for name in PROCESSES}
    assert running(stage.settings.folder) == (os.getpid(),)
    stage.end()
    assert all(gone(stage.pids(name)[0]) for name in PROCESSES)
    assert running(stage.settings.folder) is None
    assert stage.said == []


def test_one_that_is_killed_is_started_again(stage: Stage) -> None:
    stage.start()
    stage.wait(lambda: all(stage.pids(name) for name in PROCESSES))
    os.kill(stage.pids("worker")[0], signal.SIGKILL)
    stage.wait(lambda: len(stage.pids("worker")) == 2)
    assert len(stage.said) == 1
    assert stage.said[0].startswith("worker was killed by signal 9; starting it again (log: ")
    assert [len(stage.pids(name)) for name in PROCESSES] == [1, 1, 2]


def test_one_that_ends_is_started_again_and_its_log_is_kept(stage: Stage) -> None:
    stage.act("control-plane", "3")
    stage.start()
    stage.wait(lambda: len(stage.pids("control-plane")) == 2)
    assert "control-plane was ended with status 3" in stage.said[0]
    assert (stage.settings.folder / "logs" / "control-plane.log").read_text() == "a line of the log\n"


def test_one_whose_setup_is_wrong_ends_all_with_what_it_said(stage: Stage) -> None:
    stage.act("data-plane", str(SETUP_FAILED))
    stage.start()
    stage.wait(lambda: bool(stage.failed))
    assert str(stage.failed[0]) == "the data-plane could not start\n  data-plane: a line of the log"
    stage.end()
    assert all(gone(process) for name in PROCESSES for process in stage.pids(name))
    assert running(stage.settings.folder) is None


def test_a_stream_with_a_broker_has_a_consumer_that_is_started_again(stage: Stage) -> None:
    stage.consume(payments="redis://h?stream=s")
    supervisor = stage.start()
    stage.wait(lambda: all(stage.pids(name) for name in (*PROCESSES, "consumer-payments")))
    assert list(supervisor.children) == [*PROCESSES, "consumer-payments"]
    os.kill(stage.pids("consumer-payments")[0], signal.SIGKILL)
    stage.wait(lambda: len(stage.pids("consumer-payments")) == 2)
    assert stage.said[0].startswith("consumer-payments was killed by signal 9; starting it again")
    assert stage.ports("consumer-payments") == []


def test_a_consumer_whose_setup_is_wrong_leaves_the_others_alone_and_is_tried_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REST", 0.05)
    stage.consume(payments="redis://h?stream=s")
    stage.act("consumer-payments", str(SETUP_FAILED))
    stage.start()
    stage.wait(lambda: len(stage.pids("consumer-payments")) == 2)
    stage.act("consumer-payments", str(SETUP_FAILED))
    os.kill(stage.pids("consumer-payments")[1], signal.SIGKILL)
    stage.wait(lambda: len(stage.pids("consumer-payments")) >= 4)
    stage.wait(lambda: all(stage.pids(name) for name in PROCESSES))
    told = [line for line in stage.said if "could not start" in line]
    assert len(told) == 1, "the same reason is said once"
    assert told[0].startswith("the consumer-payments could not start; it is tried again every 0 seconds: a line of the")
    assert [len(stage.pids(name)) for name in PROCESSES] == [1, 1, 1]
    assert stage.failed == []


def test_settings_are_not_among_the_words_that_anybody_sees(stage: Stage) -> None:
    stage.consume(payments="redis://:secret@h?stream=s")
    stage.act("worker", "words")
    stage.act("data-plane", "settings")
    stage.start()
    stage.wait(lambda: (stage.folder / "data-plane.read").exists() and (stage.folder / "worker.read").exists())
    assert "secret" not in (stage.folder / "worker.read").read_text()
    given = msgspec.json.decode((stage.folder / "data-plane.read").read_bytes(), type=Settings)
    assert given == stage.settings


def test_one_that_does_not_stop_is_killed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE", 0.2)
    stage.act("worker", "stubborn")
    stage.start()
    stage.wait(lambda: bool(stage.pids("worker")) and not (stage.folder / "worker.act").exists())
    stage.end()
    assert gone(stage.pids("worker")[0])


def test_data_planes_share_one_socket_that_is_never_closed_meanwhile(stage: Stage) -> None:
    (port,) = free_ports(1)
    stage.settings = msgspec.structs.replace(stage.settings, http=HttpSettings(workers=2))
    stage.act("data-plane-1", "3")
    stage.start(("127.0.0.1", port))
    socket.create_connection(("127.0.0.1", port)).close()  # whether or not anybody is there already
    stage.wait(lambda: len(stage.ports("data-plane-1")) == 2 and bool(stage.pids("worker")))
    assert (set(stage.ports("data-plane-1")), stage.ports("data-plane-2")) == ({port}, [port])
    assert stage.ports("control-plane") == stage.ports("worker") == []
    stage.end()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_restarts_are_counted_for_the_metrics_from_nothing_each_time(stage: Stage) -> None:
    folder = machine_folder(stage.settings.folder)
    folder.mkdir(parents=True)
    old = Meters()
    old.restarts.add("worker", by=9)
    (folder / "meters-supervisor.json").write_bytes(old.to_bytes())
    stage.act("worker", "3")
    stage.start()
    stage.wait(lambda: len(stage.pids("worker")) == 2)
    (counted,) = MeterFiles(folder, 0).others()
    assert counted.restarts.values == {("worker",): 1}


def test_a_project_is_up_once(stage: Stage) -> None:
    stage.start()
    with pytest.raises(Conflict, match="already up") as refused:
        Supervisor(stage.settings, (), stage.said.append)
    assert refused.value.faults[0].value == str(os.getpid())


def test_a_port_that_is_taken_is_named_and_the_project_stays_free(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port} ") as refused:
            Supervisor(settings, (("127.0.0.1", port),), print)
    assert "--port" in refused.value.faults[0].fix
    assert running(settings.folder) is None


def test_a_state_folder_that_cannot_be_made_is_named(settings: Settings) -> None:
    settings.folder.parent.mkdir()
    settings.folder.write_text("a file where the folder should be")
    with pytest.raises(NotWritable) as refused:
        Supervisor(settings, (), print)
    assert refused.value.faults[0].field == str(settings.folder)


def test_what_is_not_up_needs_no_stopping(settings: Settings) -> None:
    assert running(settings.folder) is None
    assert bring_down(settings.folder) is False
    settings.folder.mkdir(parents=True)
    (settings.folder / "up.lock").write_text("1")  # what a killed supervisor leaves behind
    assert running(settings.folder) is None
    assert bring_down(settings.folder) is False
