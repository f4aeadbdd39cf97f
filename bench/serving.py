"""What a prediction over HTTP costs here, and in the servers that others would use: the same model, rows and client.

    python bench/serving.py [--peers mlflow,bentoml,...] [--seconds 10] [--rounds 3] [--connections 64] [--cache FOLDER]

The model: LightGBM, 200 trees of 31 leaves over 20 numbers, trained here on 20,000 rows with a fixed seed. The rows:
512 others, in turn. Every server is installed from pinned versions (bench/serving_peers/*.txt) into an environment of
its own, started alone, asked for scores that are compared with LightGBM's own to 1e-6, then timed, in every round:

- wrk over 64 kept connections, as fast as the server goes, with one row a request, then with 64: CPU of the server and
  all its child processes from /proc, divided by the requests sent; requests a second.
- 200 requests a second over 16 connections, one row each: latency from the moment a request was due.

A figure is the median of the rounds. Ours is the data plane with its defaults: every prediction is journaled and
flushed to the disk before it is answered, which no other server here does. "ours_no_journal" shows what that costs.
`--seconds`, for each server and round, are split 4 : 2 : 4. Needs Linux and wrk (apt-get install wrk), and PyPI the
first time. Leave the machine alone meanwhile. Latencies include the client, which is Python, as the echoes show.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from measuring import wrk
from measuring.environments import NotInstalled, environment, pinned
from measuring.machine import machine
from measuring.processes import stop_on_signals
from measuring.project import DESCRIPTION, NAMES, Served, make_project
from measuring.serving_report import document, row, table
from measuring.serving_run import Asked, Failed, Figures, Plan, bodies, run
from serving_peers.servers import HERE, LIMITS, OURS, OURS_ALWAYS, PEERS, Contestant, Place

from tropism.entrypoints.api.server import free_ports

RESULTS = Path(__file__).parent / "results" / "serving.json"
CONNECTIONS = 64
ABOUT = {"ray_serve": "ray"}
"""The package that an environment is about, where it is not called so. The limits have our versions."""


class Entry(NamedTuple):
    """A server in the race: where it runs, and what it is sent."""

    contestant: Contestant
    place: Place
    asked: Asked


def enter(contestant: Contestant, cache: Path, work: Path, served: Served) -> Entry:
    """Installs a server and writes what it is sent. Raises `NotInstalled`."""
    own = contestant.environment == OURS
    place = Place(
        environment=Path(sys.prefix) if own else environment(requirements(contestant), cache),
        model=work / "model.txt",
        rows=work / "rows.json",
        work=work / contestant.name,
        project=work / contestant.name / "project",
        short=Path(tempfile.gettempdir()) / work.name,
        names=NAMES,
        ports=(0, 0, 0),
    )
    place.work.mkdir()
    return Entry(contestant, place, bodies(contestant, place, served.rows, served.scores))


def requirements(contestant: Contestant) -> Path:
    return HERE / f"{contestant.environment}.txt"


def race(entry: Entry, made: Path, plan: Plan) -> Figures:
    """One round of one server, on free ports and with a copy of the project that was made. Raises `Failed`."""
    first, second, third = free_ports(3)
    place = entry.place._replace(ports=(first, second, third))
    shutil.rmtree(place.project, ignore_errors=True)
    shutil.copytree(made, place.project)
    place.short.mkdir(exist_ok=True)
    try:
        before = entry.contestant.prepare(place)
        if before is not None:
            done = subprocess.run([str(part) for part in before], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Failed(f"its preparation failed: {done.stderr[-500:]}")
        return run(entry.contestant, place, entry.asked, plan)
    finally:
        shutil.rmtree(place.short, ignore_errors=True)


class Comparison:
    """All rounds of all servers. `figures`: of those that never failed; `failed`: why the others did."""

    def __init__(self, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self._cache = cache
        self._figures: dict[str, list[Figures]] = {}
        self.failed: dict[str, str] = {}

    @property
    def figures(self) -> dict[str, list[Figures]]:
        return {name: found for name, found in self._figures.items() if name not in self.failed}

    def run(self, chosen: list[Contestant], plan: Plan, rounds: int) -> None:
        with tempfile.TemporaryDirectory(prefix="run-", dir=self._cache) as folder:
            work = Path(folder)
            entries = self._enter(chosen, work)
            for number in range(rounds):
                print(f"round {number + 1} of {rounds}", flush=True)
                for entry in entries:
                    if entry.contestant.name not in self.failed:
                        self._race(entry, work / "project", plan)

    def _enter(self, chosen: list[Contestant], work: Path) -> list[Entry]:
        served = make_project(work / "project")
        (work / "model.txt").write_bytes(served.text)
        (work / "rows.json").write_text(json.dumps(served.rows))
        entries = []
        for contestant in chosen:
            try:
                entries.append(enter(contestant, self._cache, work, served))
            except NotInstalled as error:
                self._fail(contestant, error)
        return entries

    def _race(self, entry: Entry, made: Path, plan: Plan) -> None:
        name = entry.contestant.name
        try:
            found = race(entry, made, plan)
        except (Failed, OSError) as error:
            self._fail(entry.contestant, error)
            return
        self._figures.setdefault(name, []).append(found)
        print(
            f"  {name:16} {found.cpu_us_single:9.1f} µs a request {found.cpu_us_row_64:8.2f} µs a row of 64 "
            f"{found.single.rate:8.0f} requests/s  p99 {found.p99_ms_200rps:8.2f} ms at 200 a second",
            flush=True,
        )

    def _fail(self, contestant: Contestant, error: Exception) -> None:
        self.failed[contestant.name] = str(error)
        print(f"  {contestant.name}: FAILED, and is left out: {error}", flush=True)


def described(seconds: float, rounds: int) -> dict[str, Any]:
    """The machine and how it was asked, the model, the versions."""
    said = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
    versions = {name: version(name) for name in ("tropism", "lightgbm", "uvicorn", "uvloop", "httptools", "msgspec")}
    for contestant in PEERS:
        about = ABOUT.get(contestant.environment, contestant.environment)
        versions[about] = pinned(requirements(contestant), about)
    return {
        "machine": {**machine(), "connections": CONNECTIONS, "seconds": seconds, "rounds": rounds},
        "model": DESCRIPTION,
        "versions": {**versions, "wrk": (said.split() or ["", "unknown"])[1]},
    }


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [peer.name for peer in PEERS]
    parser.add_argument("--peers", type=lambda text: text.split(","), default=known, help=", ".join(known))
    parser.add_argument("--seconds", type=float, default=10, help="for each server and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="that saturate a server; default: 64")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tropism-bench")
    parser.add_argument("--out", type=Path, help=f"default: {RESULTS}, if no peer is left out")
    given = parser.parse_args()
    unknown = set(given.peers) - set(known) - {""}
    if unknown:
        parser.error(f"unknown peers: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    if given.out is None and set(given.peers) == set(known) and given.connections == CONNECTIONS:
        given.out = RESULTS
    return given


def main() -> int:
    given = options()
    problem = wrk.missing() or (
        None if sys.platform == "linux" else "the CPU of a process is read from /proc: Linux only"
    )
    if problem is not None:
        print(problem, file=sys.stderr)
        return 1
    stop_on_signals()
    if os.getloadavg()[0] > 0.5:
        print(f"the machine is busy (load {os.getloadavg()[0]:.1f}): do not keep these figures", flush=True)
    peers = [peer for peer in PEERS if peer.name in given.peers]
    plan = Plan(given.connections, 1, 0.4 * given.seconds, 0.2 * given.seconds, 0.4 * given.seconds)
    comparison = Comparison(given.cache.expanduser())
    comparison.run([*OURS_ALWAYS, *peers, *LIMITS], plan, given.rounds)
    rows = {name: row(found) for name, found in comparison.figures.items()}
    print(f"\n{table(rows)}")
    found = document(rows, [peer.name for peer in peers], [limit.name for limit in LIMITS])
    print(f"\njournal's share of a single row's CPU: {found['ours'].get('journal_share', float('nan')):.1%}")
    for name, reason in comparison.failed.items():
        print(f"FAILED: {name}: {reason}")
    if given.out is not None:
        given.out.write_text(json.dumps({**found, **described(given.seconds, given.rounds)}, indent=1) + "\n")
    return 0 if "journal_share" in found["ours"] else 1


if __name__ == "__main__":
    sys.exit(main())
