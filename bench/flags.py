"""What evaluating a flag costs, in the process and over OFREP. Run: python bench/flags.py

In the process: a flag with three rules, of which the third, a split, serves; beside it one whose first rule serves, and
one with nothing to decide. CPU microseconds for one evaluation, the best of rounds. Where openfeature-sdk is installed,
also one question to its client, with our provider and with its own `InMemoryProvider`, which has no rules.

Over OFREP: what one data plane, a process of its own on the loopback, answers to one caller who keeps his connection:
evaluations a second, percentiles, the server's CPU time for each (which others on the machine disturb less; Linux only)
and the median as a multiple of `GET /healthz` of the same server, in turns with it. Writes bench/results/flags.json.
`--seconds S` for rounds of another length.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import msgspec

from tropism.config import load_settings
from tropism.core.flag import Flag, FlagRule
from tropism.entrypoints.api.run import run_data_plane
from tropism.entrypoints.api.server import free_ports
from tropism.experiments.flags import Flagset
from tropism.wiring import open_platform

RESULTS = Path(__file__).resolve().parent / "results" / "flags.json"
ROUNDS, EVALUATIONS, TURN = 9, 20_000, 100
SECONDS = 5.0
HEALTH = "GET /healthz"
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


def in_process() -> dict[str, float]:
    """CPU microseconds for one question to OpenFeature's client, by provider; nothing where it is not installed."""
    try:
        from openfeature import api
        from openfeature.evaluation_context import EvaluationContext
        from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
    except ModuleNotFoundError:
        return {}
    from tropism.entrypoints.sdk.openfeature import TropismProvider

    body = msgspec.json.encode({"flags": [{"flag": one} for one in FLAGS.values()]})
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    providers = {
        "TropismProvider, three rules": TropismProvider("http://tropism", poll=3_600, transport=transport),
        "InMemoryProvider, no rules": InMemoryProvider({"three": InMemoryFlag("off", {"on": True, "off": False})}),
    }
    context = EvaluationContext(CONTEXT["targetingKey"], {k: v for k, v in CONTEXT.items() if k != "targetingKey"})
    found = {}
    for name, provider in providers.items():
        api.set_provider_and_wait(provider)
        client, rounds = api.get_client(), []
        for _ in range(ROUNDS):
            began = time.thread_time()
            for _ in range(EVALUATIONS // 10):
                client.get_boolean_value("three", True, context)
            rounds.append((time.thread_time() - began) / (EVALUATIONS // 10) * 1e6)
        found[name] = round(min(rounds), 3)
    api.shutdown()
    return found


class Caller:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> int:
        """The status of the reply, once it is whole."""
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._received()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self._received()
        return int(head[9:12])

    def _received(self) -> bytes:
        received = self._socket.recv(65_536)
        assert received, "the server closed the connection"
        return received


def request(method: str, path: str, body: bytes = b"", more: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n{more}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def timed(server: int, port: int, seconds: float) -> dict[str, dict[str, float]]:
    """By what is asked, in turns of a hundred requests so that all see the same machine."""
    one, every = "/ofrep/v1/evaluate/flags/three", "/ofrep/v1/evaluate/flags"
    body = json.dumps({"context": CONTEXT}).encode()
    etag = httpx.post(f"http://127.0.0.1:{port}{every}", content=body, trust_env=False).headers["etag"]
    asked = {
        HEALTH: (request("GET", "/healthz"), 200),
        "one flag": (request("POST", one, body), 200),
        "all flags": (request("POST", every, body), 200),
        "all flags, unchanged": (request("POST", every, body, f"if-none-match: {etag}\r\n"), 304),
    }
    caller = Caller(port)
    taken: dict[str, list[float]] = {name: [] for name in asked}
    spent = dict.fromkeys(asked, 0.0)
    until = time.perf_counter() + seconds * len(asked)
    while time.perf_counter() < until:
        for name, (sent, status) in asked.items():
            used = cpu(server)
            for _ in range(TURN):
                began = time.perf_counter()
                assert caller.ask(sent) == status
                taken[name].append(time.perf_counter() - began)
            spent[name] += cpu(server) - used
    medians = {name: statistics.median(some) for name, some in taken.items()}
    return {
        name: {
            "requests_per_second": round(len(some) / sum(some), 1),
            "p50_us": round(medians[name] * 1e6, 1),
            "p99_us": round(statistics.quantiles(some, n=100)[98] * 1e6, 1),
            "cpu_us": round(spent[name] / len(some) * 1e6, 1),
            "healthz": round(medians[name] / medians[HEALTH], 3),
        }
        for name, some in taken.items()
    }


def cpu(process: int) -> float:
    """CPU seconds that a process has used (proc(5), fields 14 and 15 of `stat`)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def remote(seconds: float) -> dict[str, dict[str, float]]:
    """What a data plane answers, by what it is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        port, control = free_ports(2)
        (Path(folder) / "tropism.toml").write_text(f"[http]\nport = {port}\ncontrol_port = {control}\n")
        platform = open_platform(load_settings(folder))
        for flag in FLAGS.values():
            platform.registry.flags.put(flag, actor="bench", now=1)
        platform.database.dispose()
        server = subprocess.Popen([sys.executable, __file__, "--serve", folder])
        try:
            while not answers(port):
                time.sleep(0.05)
            return timed(server.pid, port, seconds)
        finally:
            server.terminate()
            server.wait()


def answers(port: int) -> bool:
    try:
        path = f"http://127.0.0.1:{port}/ofrep/v1/evaluate/flags/none"
        return httpx.post(path, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        run_data_plane(load_settings(Path(sys.argv[2])))
        return
    seconds = float(sys.argv[sys.argv.index("--seconds") + 1]) if "--seconds" in sys.argv else SECONDS
    found = {"local_cpu_us": local(), "openfeature_cpu_us": in_process(), "ofrep": remote(seconds)}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
