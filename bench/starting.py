"""How long a data plane takes from its start to its first prediction, and how long a swap makes requests wait.

    python bench/starting.py [--starts 7] [--swaps 100] [--rate 500]

The model is that of bench/serving.py, 200 trees. Start: from the moment the process is executed until the first
right answer has been read, asked for anew every 2 ms. CPU is that of the process until then.

Swap: a steady load of single rows, and `--swaps` promotions by another process, each to a version that is not in
memory, each at least 250 ms after the last was served. Latency counts from when a request was due (as in
bench/measuring/steady.py). A request is near a swap if it was due
between the promotion and 50 ms after the first reply by the new version: in that time the version is found, read,
checked and made ready beside the old one. The pause is the 99th percentile of those less the 99th percentile of all
others, in milliseconds. On a busy machine the difference means nothing: with others above 5 ms it counts as failed.

The exit status is 1 if the median start takes more than 1.5 s or the pause is more than 1 ms. The machine should be
otherwise idle; its load average is in the results.
"""

from __future__ import annotations

import argparse
import bisect
import gc
import itertools
import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from measuring import steady
from measuring.processes import Server, stop_on_signals
from measuring.project import NAMES, TASK, Served, make_project

from tropism.config import load_settings
from tropism.core.identity import derived_id
from tropism.core.task import Policy
from tropism.entrypoints.api.server import free_ports
from tropism.registry import NewVersion
from tropism.wiring import open_platform

RESULTS = Path(__file__).parent / "results" / "starting.json"
APP = Path(__file__).parent / "serving_peers" / "tropism_app.py"
MOST_START = 1.5
MOST_PAUSE_MS = 1.0
MOST_OTHERS_MS = 5.0
AROUND = 0.05
EVERY = 0.25
VERSIONS = 7
"""More than a data plane keeps, so that each swap loads its version."""
CONNECTIONS = 8
_PATIENCE = 60.0
_LISTED = 10


class Start(NamedTuple):
    """Seconds to the first right answer: on the wall, and of CPU."""

    wall: float
    cpu: float


class Sent(NamedTuple):
    """One request: when it was due and answered (on `time.perf_counter`), and the version that answered."""

    due: float
    end: float
    version: int


def one_request(port: int, row: list[float]) -> bytes:
    body = json.dumps({"features": dict(zip(NAMES, row, strict=True))}).encode()
    return steady.request(f"/v1/tasks/{TASK}/predict", body, port)


def ask(port: int, request: bytes) -> dict[str, Any] | None:
    """The reply to a request on a connection of its own; None if there is none yet."""
    try:
        with socket.create_connection(("127.0.0.1", port), _PATIENCE) as wire:
            data = steady._ask(wire, request)
    except OSError:
        return None
    return json.loads(data.partition(b"\r\n\r\n")[2]) if data[9:12] == b"200" else None


def serve(project: Path, port: int, *options: str) -> Server:
    command: list[str | Path] = [sys.executable, *options, APP, project]
    return Server(command, project.parent / "server.log", {"TROPISM_HTTP_PORT": str(port)}, project.parent)


def await_right(server: Server, port: int, served: Served) -> None:
    request, end = one_request(port, served.rows[0]), time.monotonic() + _PATIENCE
    while (reply := ask(port, request)) is None:
        if not server.alive or time.monotonic() > end:
            sys.exit(f"it does not answer: {server.log.read_text()[-800:]}")
        time.sleep(0.002)
    said = reply["probabilities"]["true"]
    if abs(said - served.scores[0]) > 1e-9:
        sys.exit(f"it says {said} where LightGBM says {served.scores[0]}")


def start_once(project: Path, served: Served) -> Start:
    port = free_ports(1)[0]
    begun = time.perf_counter()
    server = serve(project, port)
    try:
        await_right(server, port, served)
        return Start(time.perf_counter() - begun, server.cpu_seconds())
    finally:
        server.stop()


def imports(project: Path, served: Served) -> list[dict[str, Any]]:
    """What takes longest to import, in milliseconds with all that it imports itself, of top-level packages only."""
    port = free_ports(1)[0]
    server = serve(project, port, "-X", "importtime")
    try:
        await_right(server, port, served)
    finally:
        server.stop()
    found: dict[str, float] = {}
    own: dict[str, float] = {}
    for line in server.log.read_text(errors="replace").splitlines():
        match = re.match(r"import time:\s+(-?\d+) \|\s+(-?\d+) \|\s+(\S+)$", line)
        if match:
            package = match[3].partition(".")[0]
            own[package] = own.get(package, 0.0) + int(match[1]) / 1e3
            if match[3] == package:
                found[package] = int(match[2]) / 1e3
    longest = sorted(own, key=lambda name: -own[name])[:_LISTED]
    return [
        {"package": one, "own_ms": round(own[one], 1), "with_others_ms": round(found.get(one, 0), 1)} for one in longest
    ]


class Load:
    """Single rows at `rate` a second over kept connections, within a block."""

    def __init__(self, port: int, requests: list[bytes], rate: float) -> None:
        self.sent: list[Sent] = []
        self.version = 0
        self._port, self._requests, self._rate = port, requests, rate
        self._faults: list[str] = []
        self._enough = threading.Event()
        self._lock = threading.Lock()
        self._places = itertools.count()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(CONNECTIONS)]

    def __enter__(self) -> Load:
        gc.disable()
        self._begun = time.perf_counter() + 0.1
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()
        gc.enable()

    def await_version(self, version: int) -> None:
        end = time.monotonic() + _PATIENCE
        while self.version != version:
            if self._faults or time.monotonic() > end:
                sys.exit(f"version {version} does not answer: {self._faults[:1]}")
            time.sleep(0.005)

    def _work(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), _PATIENCE) as wire:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self._enough.is_set() and not self._faults:
                with self._lock:
                    place = next(self._places)
                due = self._begun + place / self._rate
                time.sleep(max(0.0, due - time.perf_counter()))
                reply = steady._ask(wire, self._requests[place % len(self._requests)])
                end = time.perf_counter()
                if reply[9:12] != b"200":
                    self._faults.append(reply[:200].decode("latin-1"))
                    return
                self.version = int(reply.split(b'"version":', 1)[1].split(b",", 1)[0])
                self.sent.append(Sent(due, end, self.version))


def promotions(project: Path) -> None:
    """Run as a process: makes the version that each line names the champion."""
    platform = open_platform(load_settings(project, environment={}))
    artifact = platform.registry.versions.get(TASK, 1).artifact
    for number in range(2, VERSIONS + 1):
        new = NewVersion(model=TASK, artifact=artifact, learner="lightgbm", window="all", job_id=f"bench-{number}")
        platform.registry.versions.register(new, now=platform.clock.now())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for place, line in enumerate(sys.stdin):
        (live,) = platform.registry.aliases.snapshot()
        platform.registry.promotion.promote(
            TASK, int(line), expected=live.champion, actor="bench", decision_id=derived_id(place, f"swap-{place}"),
            policy=Policy(), now=platform.clock.now(),
        )  # fmt: skip


def swap(project: Path, served: Served, rate: float, swaps: int) -> dict[str, Any]:
    """Latencies of a load under which the champion is swapped so often."""
    told: list[float] = []
    port = free_ports(1)[0]
    server = serve(project, port)
    command = [sys.executable, __file__, "--promote", str(project)]
    try:
        await_right(server, port, served)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as promoting:
            assert promoting.stdin is not None and promoting.stdout is not None
            promoting.stdout.readline()
            with Load(port, [one_request(port, row) for row in served.rows], rate) as load:
                load.await_version(1)
                time.sleep(1)
                for number in range(1, swaps + 1):
                    version = number % VERSIONS + 1
                    told.append(time.perf_counter())
                    promoting.stdin.write(f"{version}\n")
                    promoting.stdin.flush()
                    load.await_version(version)
                    time.sleep(EVERY)
            promoting.stdin.close()
        return pauses(load.sent, told)
    finally:
        server.stop()


def quantiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    marks = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {"requests": len(values)} | {
        name: round(1e3 * ordered[round(mark * (len(ordered) - 1))], 3) for name, mark in marks.items()
    }


def pauses(sent: list[Sent], told: list[float], skip: float = 0.5) -> dict[str, Any]:
    """Latencies in milliseconds near swaps and otherwise; requests of the first `skip` seconds do not count.

    `told`: when each promotion was asked for.
    """
    ordered = sorted(sent, key=lambda one: one.end)
    changed = [after.end for before, after in itertools.pairwise(ordered) if after.version != before.version]
    spans = [(moment, changed[bisect.bisect(changed, moment)] + AROUND) for moment in told]
    near: list[float] = []
    others: list[float] = []
    for one in ordered:
        if one.due < ordered[0].due + skip:
            continue
        place = bisect.bisect(told, one.due) - 1
        close = place >= 0 and one.due <= spans[place][1]
        (near if close else others).append(one.end - one.due)
    found = {"near_a_swap_ms": quantiles(near), "others_ms": quantiles(others)}
    pause = found["near_a_swap_ms"]["p99"] - found["others_ms"]["p99"]
    seconds = sorted(end - AROUND - begun for begun, end in spans)
    return {
        "swaps": len(told),
        "pause_p99_ms": round(pause, 3),
        **found,
        "to_first_reply_s": {"median": round(statistics.median(seconds), 3), "worst": round(seconds[-1], 3)},
    }


def run(starts: int, swaps: int, rate: float, folder: Path) -> dict[str, Any]:
    project = folder / "project"
    served = make_project(project)
    load_before = os.getloadavg()[0]
    taken = [start_once(project, served) for _ in range(starts)]
    walls, cpus = [one.wall for one in taken], [one.cpu for one in taken]
    return {
        "start": {
            "runs": starts,
            "median_s": round(statistics.median(walls), 3),
            "worst_s": round(max(walls), 3),
            "cpu_median_s": round(statistics.median(cpus), 3),
            "cpu_worst_s": round(max(cpus), 3),
            "imports": imports(project, served),
        },
        "swap": {"rate": rate, **swap(project, served, rate, swaps)},
        "load_average": {"before": round(load_before, 2), "after": round(os.getloadavg()[0], 2)},
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--rate", type=float, default=500, help="requests a second")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--promote", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.promote is not None:
        promotions(given.promote)
        return 0
    stop_on_signals()
    with tempfile.TemporaryDirectory(prefix="tropism-starting-") as folder:
        found = run(given.starts, given.swaps, given.rate, Path(folder))
    text = json.dumps(found, indent=1)
    print(text)
    given.out.write_text(text + "\n")
    swapped = found["swap"]
    wrong = found["start"]["median_s"] > MOST_START or swapped["pause_p99_ms"] > MOST_PAUSE_MS
    wrong |= swapped["others_ms"]["p99"] > MOST_OTHERS_MS
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
