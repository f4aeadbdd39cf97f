"""10,000 kept connections to one data plane, all in use: errors, memory, latency, and whether anything was lost.

    python bench/connections.py [--connections 10000] [--seconds 30] [--every 10]

A real data plane with its defaults serves the model of bench/serving.py. Client processes open the connections from
several loopback addresses; then each connection asks for a prediction every `--every` seconds, staggered evenly.
Latency counts from the moment a request was due. Afterwards the journal must hold every acknowledged prediction
exactly once, and no other. Memory is that of the server's processes; buffers of the kernel are not in it.

The exit status is 1 if any request failed, a connection broke, a prediction is missing or there twice, or a connection
costs more than 64 KiB. Needs Linux, and may open a file for each connection and 1,000 more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from measuring import steady
from measuring.holding import Plan
from measuring.processes import Server, stop_on_signals
from measuring.project import NAMES, TASK, make_project

from tropism.config import load_settings
from tropism.core.events import Prediction, decode
from tropism.entrypoints.api.server import free_ports
from tropism.sdk import Client
from tropism.storage.journal import JournalReader
from tropism.wiring import open_platform

RESULTS = Path(__file__).parent / "results" / "connections.json"
HERE = Path(__file__).parent
CLIENTS = 2
SPARE_FILES = 1_000
MOST_KIB = 64.0
"""Memory that a connection may cost."""
_START = 60.0


def raise_file_limit(needed: int) -> str | None:
    """Lets this process, and those it starts, open so many files. What to do, if that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return None
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(hard, needed)))
    except (ValueError, OSError) as error:
        return (
            f"{needed} open files are needed, {hard} are allowed, and more cannot be had ({error}). Raise the limit "
            f"('* hard nofile {needed}' in /etc/security/limits.conf and a new login, LimitNOFILE= of a service, "
            f"--ulimit nofile={needed} of a container), or use --connections {max(1, hard - SPARE_FILES)}"
        )
    return None


class Clients:
    """The processes that hold the connections."""

    def __init__(
        self, port: int, total: int, seconds: float, every: float, folder: Path, rows: list[list[float]]
    ) -> None:
        requests = folder / "requests"
        requests.write_text("\n".join(_request(port, row).hex() for row in rows))
        self._ids = [folder / f"ids-{number}" for number in range(CLIENTS)]
        self._processes = []
        for number, ids in enumerate(self._ids):
            first, end = total * number // CLIENTS, total * (number + 1) // CLIENTS
            plan = Plan(port, first, end - first, total, seconds, every, str(requests), str(ids))
            command = [sys.executable, str(HERE / "measuring" / "holding.py"), json.dumps(plan._asdict())]
            self._processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))

    def lines(self) -> list[str]:
        """The next line of each. Raises `SystemExit` when one has failed."""
        said = [process.stdout.readline() for process in self._processes if process.stdout is not None]
        if not all(said):
            sys.exit("a client failed: see above")
        return said

    def go_on(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

    def acknowledged(self) -> Counter[str]:
        """The ids of all predictions that a client was told of."""
        return Counter(line for file in self._ids for line in file.read_text().split())

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


def _request(port: int, row: list[float]) -> bytes:
    body = json.dumps({"features": dict(zip(NAMES, row, strict=True))}).encode()
    return steady.request(f"/v1/tasks/{TASK}/predict", body, port)


def hold(server: Server, clients: Clients) -> dict[str, Any]:
    """Figures of one run, from the first connection to the last reply."""
    before = server.resident_bytes()
    clients.lines()
    opened = server.resident_bytes()
    clients.go_on()
    found = [json.loads(line) for line in clients.lines()]
    after = server.resident_bytes()
    errors: Counter[str] = sum((Counter(one["errors"]) for one in found), Counter())
    latencies = steady.Steady([latency for one in found for latency in one["latencies"]], errors.total())
    marks = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0} if latencies.latencies else {}
    return {
        "answered": len(latencies.latencies),
        "errors": dict(errors.most_common(5)),
        "latency_ms": {name: round(latencies.quantile(mark), 2) for name, mark in marks.items()},
        "server_mb": {"before": _mb(before), "connected": _mb(opened), "after": _mb(after)},
        "after_bytes": after - before,
    }


def _mb(count: int) -> float:
    return round(count / 1e6, 1)


def journaled(project: Path) -> Counter[str]:
    """The ids of all predictions in the journal, after the data plane has ended."""
    opened = open_platform(load_settings(project, environment={}))
    reader, found, position = JournalReader(opened.journal_folder), Counter[str](), dict[str, int]()
    while records := reader.read(position, limit=10_000):
        for record in records:
            position[record.writer] = record.seq
            found.update(event.id for event in decode(record.payload) if isinstance(event, Prediction))
    opened.database.dispose()
    assert not reader.damaged, reader.damaged
    return found


def run(total: int, seconds: float, every: float, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The figures, and what is wrong with them."""
    project = folder / "project"
    rows = make_project(project).rows
    port = free_ports(1)[0]
    command: list[str | Path] = [sys.executable, HERE / "serving_peers" / "tropism_app.py", project]
    server = Server(command, folder / "server.log", {"TROPISM_HTTP_PORT": str(port)}, folder)
    clients = None
    try:
        with Client(f"http://127.0.0.1:{port}", retries=0) as client:
            client.wait_ready(_START)
        clients = Clients(port, total, seconds, every, folder, rows)
        found = hold(server, clients)
    finally:
        if clients is not None:
            clients.end()
        server.stop()
    acknowledged, kept = clients.acknowledged(), journaled(project)
    kib = found.pop("after_bytes") / total / 1024
    result = {
        **found,
        "acknowledged": acknowledged.total(),
        "journaled": kept.total(),
        "kib_per_connection": round(kib, 2),
    }
    wrong = [f"{count} times: {error}" for error, count in found["errors"].items()]
    for what, ids in (
        ("missing in the journal", acknowledged - kept),
        ("too many in the journal", kept - acknowledged),
    ):
        if ids:
            wrong.append(f"{ids.total()} predictions are {what}, such as {next(iter(ids))}")
    if any(count > 1 for count in acknowledged.values()):
        wrong.append("an id was given twice")
    if found["answered"] < total:
        wrong.append(f"only {found['answered']} requests were answered")
    if kib > MOST_KIB:
        wrong.append(f"a connection costs {kib:.1f} KiB of memory, more than {MOST_KIB:g}")
    return result, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--every", type=float, default=10, help="seconds between two requests of one connection")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    problem = raise_file_limit(given.connections + SPARE_FILES)
    if problem is not None:
        print(problem, file=sys.stderr)
        return 1
    stop_on_signals()
    with tempfile.TemporaryDirectory(prefix="tropism-connections-") as folder:
        found, wrong = run(given.connections, given.seconds, given.every, Path(folder))
    asked = {"connections": given.connections, "seconds": given.seconds, "every": given.every}
    machine = {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}
    text = json.dumps({**asked, **found, "machine": machine}, indent=1)
    print(text)
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    if not wrong:
        given.out.write_text(text + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
