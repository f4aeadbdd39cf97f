"""One server, from its start to its end: asked whether its answers are right, then timed."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from measuring import steady, wrk
from measuring.processes import Server, settle
from serving_peers.servers import QUIET, Contestant, Place

CHECKED = 5
BATCH = 64
RATE = 200.0
_PATIENCE = 90.0
_TOLERANCE = 1e-6


class Failed(Exception):
    """A server did not start, answered wrongly or refused a request; the message says which."""


class Plan(NamedTuple):
    """How long, and over how many connections."""

    connections: int
    warm: float
    single: float
    batch: float
    steady: float


class Figures(NamedTuple):
    """CPU in µs, times in ms. `single`, `batch`: what wrk counted."""

    cpu_us_single: float
    cpu_us_row_64: float
    p99_ms_200rps: float
    p50_ms_200rps: float
    single: wrk.Counted
    batch: wrk.Counted
    resident_mb: float


class Asked(NamedTuple):
    """What a server is sent, and what it must say. `singles`, `batches`: files of bodies, one a line."""

    rows: list[list[float]]
    scores: list[float]
    singles: Path
    batches: Path


def bodies(contestant: Contestant, place: Place, rows: list[list[float]], scores: list[float]) -> Asked:
    """Writes the bodies in the contestant's own format."""
    asked = Asked(rows, scores, place.work / "singles", place.work / "batches")
    groups = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    asked.singles.write_bytes(b"\n".join(contestant.encoded(place, [row]) for row in rows) + b"\n")
    asked.batches.write_bytes(b"\n".join(contestant.encoded(place, group) for group in groups) + b"\n")
    return asked


def run(contestant: Contestant, place: Place, asked: Asked, plan: Plan) -> Figures:
    """Starts a server, checks it, times it, stops it. Raises `Failed`."""
    environment = {**QUIET, **contestant.settings(place)}
    environment["PATH"] = f"{place.environment / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    environment["TMPDIR"] = str(place.short)
    log = place.work / "server.log"
    server = Server(contestant.command(place), log, environment, place.work)
    try:
        _await_right_answers(server, contestant, place, asked)
        return _time(server, contestant, place, asked, plan)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise Failed(f"{type(error).__name__}: {error}; its log ends:\n{_tail(log)}") from error
    finally:
        server.stop()


def _time(server: Server, contestant: Contestant, place: Place, asked: Asked, plan: Plan) -> Figures:
    url = f"http://127.0.0.1:{place.port}{contestant.path}"
    wrk.saturate(url, asked.singles, plan.warm, plan.connections)
    single, cpu_single = _cpu(server, url, asked.singles, plan.single, plan.connections)
    batch, cpu_batch = _cpu(server, url, asked.batches, plan.batch, plan.connections)
    settle(server)
    requests = [steady.request(contestant.path, body, place.port) for body in asked.singles.read_bytes().splitlines()]
    kept = steady.send(place.port, requests, RATE, plan.steady, min(16, plan.connections))
    faults = single.faults + batch.faults + kept.faults
    if faults:
        raise Failed(f"{faults} requests were refused or broken under load; its log ends:\n{_tail(server.log)}")
    quantiles = kept.quantile(0.99), kept.quantile(0.5)
    return Figures(cpu_single, cpu_batch / BATCH, *quantiles, single, batch, server.resident_bytes() / 1e6)


def _cpu(server: Server, url: str, sent: Path, seconds: float, connections: int) -> tuple[wrk.Counted, float]:
    """What wrk counted, and the server's CPU in µs a request. Requests cut off at the end count as served, which is
    in the server's favour."""
    settle(server)
    before = server.cpu_seconds()
    counted = wrk.saturate(url, sent, seconds, connections)
    settle(server)
    return counted, 1e6 * (server.cpu_seconds() - before) / max(1, counted.sent)


def _await_right_answers(server: Server, contestant: Contestant, place: Place, asked: Asked) -> None:
    """Waits for the first answer, then checks a few rows alone and a batch."""
    url = f"http://127.0.0.1:{place.port}{contestant.path}"
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            _post(url, contestant.encoded(place, asked.rows[:1]))
            break
        except (OSError, http.client.HTTPException) as error:
            if not server.alive or time.monotonic() > end:
                said = error.read().decode()[-300:] if isinstance(error, urllib.error.HTTPError) else ""
                raise Failed(f"it does not answer: {error} {said}; its log ends:\n{_tail(server.log)}") from error
            time.sleep(0.1)
    for rows in [*([at] for at in range(CHECKED)), list(range(BATCH))]:
        _check(contestant, place, url, asked, rows)


def _check(contestant: Contestant, place: Place, url: str, asked: Asked, numbers: list[int]) -> None:
    rows = [asked.rows[number] for number in numbers]
    reply = _post(url, contestant.encoded(place, rows))
    expected = [value for row in rows for value in row] if contestant.echoes else [asked.scores[n] for n in numbers]
    try:
        said = contestant.scores(json.loads(reply))
    except (ValueError, LookupError, TypeError) as error:
        raise Failed(f"it answers what cannot be read: {reply[:200]!r}") from error
    if len(said) != len(expected) or any(
        not abs(one - other) <= _TOLERANCE for one, other in zip(said, expected, strict=True)
    ):
        raise Failed(f"it scores {said[:3]} where LightGBM scores {expected[:3]}")


def _post(url: str, body: bytes) -> bytes:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as reply:
        return bytes(reply.read())


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:])
