"""What a server and all its children cost, from /proc, and how to end them all. Linux only.

https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2): orphans among the descendants become children of the server, not of init."""


class Stat(NamedTuple):
    """One process. `seconds`: CPU of all its threads, and of the children that it has waited for."""

    pid: int
    state: str
    parent: int
    session: int
    seconds: float
    started: int
    resident: int


def parse_stat(text: str) -> Stat:
    """What /proc/PID/stat says; the name of the program in it may have spaces and parentheses."""
    pid, _, rest = text.partition(" (")
    fields = rest[rest.rindex(")") + 2 :].split(" ")
    ticks = sum(int(field) for field in fields[11:15])
    return Stat(
        int(pid), fields[0], int(fields[1]), int(fields[3]), ticks / _TICKS, int(fields[19]), int(fields[21]) * _PAGE
    )


def descendants(root: int, stats: Iterable[Stat]) -> list[Stat]:
    """A process and all below it; empty when it is not there."""
    children: dict[int, list[Stat]] = {}
    found = []
    for stat in stats:
        children.setdefault(stat.parent, []).append(stat)
        if stat.pid == root:
            found.append(stat)
    for stat in found:
        found += children.get(stat.pid, [])
    return found


def running() -> list[Stat]:
    """Every process of the machine."""
    stats = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stats.append(parse_stat(Path(entry.path, "stat").read_text()))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return stats


class Server:
    """A server in a session of its own, its output in a file. Ended with everything it started, however we end."""

    def __init__(self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str], folder: Path) -> None:
        self.log = log
        prctl = ctypes.CDLL(None).prctl
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **environment},
                start_new_session=True,
                preexec_fn=lambda: prctl(_SUBREAPER, 1, 0, 0, 0),
            )
        self.pid = self._process.pid
        atexit.register(self.stop)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def tree(self) -> list[Stat]:
        """The server's processes."""
        stats = running()
        found = {stat.pid: stat for stat in descendants(self.pid, stats)}
        return [*found.values(), *(stat for stat in stats if stat.session == self.pid and stat.pid not in found)]

    def cpu_seconds(self) -> float:
        return sum(stat.seconds for stat in self.tree())

    def resident_bytes(self) -> int:
        """Sum over the processes; pages that they share count in each."""
        return sum(stat.resident for stat in self.tree())

    def stop(self, patience: float = 15.0) -> None:
        """Asks the server to end, and kills what of it is left. Doing it twice is fine."""
        atexit.unregister(self.stop)
        before = self.tree()
        if self.alive:
            self._process.terminate()
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self._process.kill()
        left = {stat.pid: stat.started for stat in [*before, *self.tree()]}
        end = time.monotonic() + patience
        while time.monotonic() < end:
            found = [stat for stat in running() if left.get(stat.pid) == stat.started and stat.state != "Z"]
            if not found:
                break
            for stat in found:
                _kill(stat.pid)
            time.sleep(0.01)
        self._process.wait()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def stop_on_signals() -> None:
    """Makes SIGTERM and SIGHUP end the script the way Ctrl-C does, so that servers are stopped."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


def settle(server: Server, most: float = 5.0) -> None:
    """Returns once a server no longer works on what it was sent: it used less than a fifth of a core for 0.2 s."""
    end = time.monotonic() + most
    before = server.cpu_seconds()
    while time.monotonic() < end:
        time.sleep(0.2)
        now = server.cpu_seconds()
        if now - before < 0.04:
            return
        before = now
