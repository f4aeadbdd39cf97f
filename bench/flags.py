"""What evaluating a flag costs, in the process and over OFREP. Run: python bench/flags.py

In the process: a flag with three rules, of which the third, a split, serves; beside it one whose first rule serves, and
one with nothing to decide. CPU microseconds for one evaluation, the best of rounds. Over OFREP: requests a second that
one control plane, a process of its own on the loopback, answers to some clients with a connection each, and the CPU
time that it takes for one (which others on the machine disturb less; Linux only), beside a route with one look-up.
Writes bench/results/flags.json. `--seconds S` for rounds of another length.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from tropism.config import load_settings
from tropism.core.flag import Flag, FlagRule
from tropism.entrypoints.api.control_plane import control_plane
from tropism.entrypoints.api.server import free_ports
from tropism.experiments.flags import Flagset
from tropism.wiring import open_platform

RESULTS = Path(__file__).resolve().parent / "results" / "flags.json"
ROUNDS, EVALUATIONS, CLIENTS = 9, 20_000, 8
SECONDS = 5.0
CONTEXT = {"targetingKey": "user-4711", "country": "NL", "plan": "free", "age": 30}
FLAGS = {
    "three rules": Flag(
        key="three",
        rules=(
            FlagRule(when='country == "DE" and plan in ("pro", "team")', serve="on"),
            FlagRule(when="age < 18", serve="off"),
            FlagRule(rollout={"on": 0.1, "off": 0.9}),
        ),
    ),
    "first rule": Flag(key="first", rules=(FlagRule(when='country == "NL"', serve="on"),)),
    "no rules": Flag(key="none"),
}


def local() -> dict[str, float]:
    """CPU microseconds for one evaluation, by flag."""
    flags = Flagset(FLAGS.values())
    found = {}
    for name, flag in FLAGS.items():
        rounds = []
        for _ in range(ROUNDS):
            began = time.thread_time()
            for _ in range(EVALUATIONS):
                flags.evaluate(flag.key, CONTEXT, 0)
            rounds.append((time.thread_time() - began) / EVALUATIONS * 1e6)
        found[name] = round(min(rounds), 3)
    return found


async def served(server: int, url: str, method: str, path: str, body: Any, seconds: float) -> dict[str, float]:
    """Requests a second, milliseconds that they took, and the server's CPU milliseconds for each."""
    taken: list[float] = []
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:

        async def ask() -> None:
            while time.perf_counter() < until:
                began = time.perf_counter()
                reply = await client.request(method, path, json=body)
                assert reply.status_code == 200, reply.text
                taken.append(time.perf_counter() - began)

        began, spent = time.perf_counter(), cpu(server)
        until = began + seconds
        await asyncio.gather(*(ask() for _ in range(CLIENTS)))
        whole, spent = time.perf_counter() - began, cpu(server) - spent
    percentiles = statistics.quantiles(taken, n=100)
    return {
        "requests_per_second": round(len(taken) / whole, 1),
        "p50_ms": round(percentiles[49] * 1e3, 3),
        "p99_ms": round(percentiles[98] * 1e3, 3),
        "cpu_ms": round(spent / len(taken) * 1e3, 3),
    }


def cpu(process: int) -> float:
    """CPU seconds that a process has used (proc(5), fields 14 and 15 of `stat`)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serve(folder: Path, port: int) -> None:
    """One control plane that has the flags, until it is ended."""
    platform = open_platform(load_settings(folder))
    for flag in FLAGS.values():
        platform.registry.flags.put(flag, actor="bench", now=1)
    uvicorn.run(control_plane(platform), port=port, log_level="error", lifespan="off")


def remote(seconds: float) -> dict[str, dict[str, float]]:
    """What a control plane answers, by what it is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tropism.toml").write_text("")
        (port,) = free_ports(1)
        server = subprocess.Popen([sys.executable, __file__, "--serve", folder, str(port)])
        try:
            url, asked = f"http://127.0.0.1:{port}", {"context": CONTEXT}
            while not answers(url):
                time.sleep(0.05)
            paths = {"one flag": "/ofrep/v1/evaluate/flags/three", "all flags": "/ofrep/v1/evaluate/flags"}
            found = {
                name: asyncio.run(served(server.pid, url, "POST", path, asked, seconds)) for name, path in paths.items()
            }
            smallest = served(server.pid, url, "GET", "/v1/flags/none", None, seconds)
            return {**found, "a route with one look-up": asyncio.run(smallest)}
        finally:
            server.terminate()
            server.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/flags/none", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), int(sys.argv[3]))
        return
    seconds = float(sys.argv[sys.argv.index("--seconds") + 1]) if "--seconds" in sys.argv else SECONDS
    found = {"local_cpu_us": local(), "ofrep": remote(seconds), "clients": CLIENTS}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
