"""Runs the processes of a project: starts them, restarts the ones that die, stops them all cleanly."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import msgspec

from tropism.core.errors import Conflict, Fault, NotWritable, SetupError
from tropism.entrypoints.api.attending import machine_folder
from tropism.entrypoints.api.server import bind
from tropism.serving.meter_files import SUPERVISOR, MeterFiles, clear
from tropism.serving.meters import Meters

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Sequence

    from tropism.config import Settings

DATA_PLANE = "data-plane"
CONSUMER = "consumer"
PROCESSES = (DATA_PLANE, "control-plane", "worker")
SETUP_FAILED = 78
"""Exit status of a process whose project or settings need a change (`EX_CONFIG`): restarting would not help."""
_GRACE = 10.0
_MOMENT = 0.5
_REST = 60.0
"""Seconds until a consumer whose setup failed is started again."""
_BACKOFF = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class _Child:
    """One process, its log, and when it may start again. `given`: what it reads. `listener`: the socket that it is
    handed, if any. `refused`: why its setup failed, the last time that it did."""

    def __init__(self, name: str, given: bytes, log: Path, listener: socket.socket | None = None) -> None:
        self.name = name
        self.log = log
        self.restarts = 0
        self.refused = ""
        self._given = given
        self._said_from = 0
        self._listener = listener
        self._started = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._again = 0.0

    def start(self, lifeline: int) -> None:
        handed = [lifeline] if self._listener is None else [lifeline, self._listener.fileno()]
        command = [sys.executable, "-m", "tropism.entrypoints.process", self.name, "-"]
        with self.log.open("ab") as log:
            self._said_from = log.tell()
            self._process = subprocess.Popen(
                [*command, *map(str, handed)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=handed,
                start_new_session=True,
            )
        self._started = time.monotonic()
        stdin = self._process.stdin
        assert stdin is not None
        with suppress(BrokenPipeError):  # it ended before it read them
            stdin.write(self._given)
        with suppress(BrokenPipeError):
            stdin.close()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def ended(self) -> int | None:
        """Its exit status if it has just ended."""
        if self._process is None or self._process.poll() is None:
            return None
        status = self._process.returncode
        self._process = None
        quick = time.monotonic() - self._started < 5
        self.restarts = self.restarts + 1 if quick else 1
        self._again = time.monotonic() + _BACKOFF[min(self.restarts, len(_BACKOFF)) - 1]
        return status

    def said(self) -> str:
        """The last of what it said since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._said_from)
            lines = log.read().decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-6:])

    def rest(self, seconds: float) -> None:
        """Has one that has ended start no sooner than this."""
        self._again = time.monotonic() + seconds

    def due(self) -> bool:
        return self._process is None and time.monotonic() >= self._again

    def stop(self, sign: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(sign)

    def wait(self, deadline: float) -> None:
        if self._process is not None:
            try:
                self._process.wait(max(deadline - time.monotonic(), 0.01))
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Running(NamedTuple):
    """A running supervisor: its process id."""

    pid: int


class Supervisor:
    """Keeps a project's processes alive until told to stop.

    The first of `addresses` is the public one. It is listened on here, and the socket is handed to every data plane:
    whoever connects while one of them is started again waits for it, or is answered by another. The other addresses
    are only looked at.

    Raises:
        Conflict: the project is already up.
        PortInUse: one of its ports is taken.
        NotWritable: the state folder cannot be written.
    """

    def __init__(self, settings: Settings, addresses: Sequence[tuple[str, int]], say: Callable[[str], None]) -> None:
        state = settings.folder
        self._say = say
        self._stop = threading.Event()
        self._lock = _take(state)
        self._listener: socket.socket | None = None
        try:
            for host, port in addresses[1:]:
                bind(host, port).close()
            logs = state / "logs"
            logs.mkdir(exist_ok=True)
            clear(machine_folder(state))
            self._counts = MeterFiles(machine_folder(state), SUPERVISOR)
            self._listener = bind(*addresses[0]) if addresses else None
        except BaseException:
            self._lock.close()
            raise
        self._meters = Meters()
        self._counts.follow(self._meters)
        given = msgspec.json.encode(settings)
        names = processes(settings.http.workers, settings.features.streams)
        self._children = [self._child(name, given, logs) for name in names]

    def _child(self, name: str, given: bytes, logs: Path) -> _Child:
        listener = self._listener if name.startswith(DATA_PLANE) else None
        return _Child(name, given, logs / f"{name}.log", listener)

    def stop(self) -> None:
        """Ask `run` to end. Safe in a signal handler."""
        self._stop.set()

    @property
    def children(self) -> dict[str, int]:
        """Process ids of what runs now, by name."""
        return {child.name: child.pid for child in self._children if child.pid is not None}

    def run(self) -> None:
        """Start everything and stay until `stop`.

        Raises:
            SetupError: a process says that the project or a setting needs a change. Not where a consumer does: it is
                said, and the others go on.
        """
        reading, writing = os.pipe()  # the children read it; it closes when this process ends, however it ends
        try:
            while not self._stop.is_set():
                for child in self._children:
                    if child.due():
                        child.start(reading)
                self._stop.wait(0.05)
                for child in self._children:
                    self._look(child)
        finally:
            if self._listener is not None:
                self._listener.close()  # so that nobody can connect once the data planes have closed it too
            self._end()
            os.close(reading)
            os.close(writing)
            self._lock.close()

    def _look(self, child: _Child) -> None:
        status = child.ended()
        if status is None or self._stop.is_set():
            return
        if status == SETUP_FAILED:
            self._refused(child)
            return
        how = f"killed by signal {-status}" if status < 0 else f"ended with status {status}"
        self._meters.restarts.add(child.name)
        self._counts.save()
        self._say(f"{child.name} was {how}; starting it again (log: {child.log})")

    def _refused(self, child: _Child) -> None:
        """The project cannot go on without most of its processes; it can without a stream's events."""
        said = child.said()
        if not child.name.startswith(CONSUMER):
            raise SetupError(f"the {child.name} could not start", Fault(child.name, "", said))
        child.rest(_REST)
        fault = said.rpartition("\n")[2]
        if fault != child.refused:
            told = " ".join(said.split())
            self._say(f"the {child.name} could not start; it is tried again every {_REST:.0f} seconds: {told}")
        child.refused = fault

    def _end(self) -> None:
        for child in self._children:
            child.stop(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        for child in self._children:
            child.wait(deadline)


def processes(workers: int, streams: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of a project's processes, with so many data planes and a consumer for each of these streams.

    >>> processes(2, ["payments"])
    ('data-plane-1', 'data-plane-2', 'control-plane', 'worker', 'consumer-payments')
    """
    consumers = (f"{CONSUMER}-{source}" for source in streams)
    planes = PROCESSES[:1] if workers == 1 else (f"{DATA_PLANE}-{number + 1}" for number in range(workers))
    return (*planes, *PROCESSES[1:], *consumers)


def running(state: Path) -> Running | None:
    """The supervisor that holds a state folder, if one does."""
    path = state / "up.lock"
    try:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except BlockingIOError:
        return Running(_holder(path))


def _holder(path: Path) -> int:
    """The process that holds the lock. It writes its id right after it took it, so there may be a moment without."""
    deadline = time.monotonic() + _MOMENT
    while not (text := path.read_text()).isdecimal():
        if time.monotonic() > deadline:
            fix = "stop the process that holds it: `fuser` names it"
            raise Conflict("the project is up, but its process cannot be told", Fault(str(path), repr(text), fix))
        time.sleep(0.01)
    return int(text)


def bring_down(state: Path, timeout: float = 20.0) -> bool:
    """Stop a project that is up. False when it was not."""
    found = running(state)
    if found is None:
        return False
    os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while running(state) is not None:
        if time.monotonic() > deadline:
            raise Conflict("the project did not stop in time", Fault("pid", str(found.pid), "kill it: kill -9 <pid>"))
        time.sleep(0.05)
    return True


def _take(state: Path) -> IO[str]:
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / "up.lock").open("a+")
    except OSError as error:
        fault = Fault(str(state), error.strerror or "", "make it writable, or choose another project folder")
        raise NotWritable(f"the state folder cannot be written: {error.strerror}", fault) from error
    deadline = time.monotonic() + _MOMENT  # somebody who only looks holds it for a moment
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                lock.close()
                pid = (state / "up.lock").read_text()
                fault = Fault("pid", pid, "use it, or `tropism down` first")
                raise Conflict("this project is already up", fault) from None
            time.sleep(0.01)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
