"""Sends predict requests at a steady rate over kept connections, and says what came back.

    python bench/load.py --port 8700 --task price --features '{"demand": 1}' --rate 2000 --seconds 8

Requests are due at fixed times. One that finds every connection busy waits, and its wait counts into its latency,
so a server that stalls does not look fast (no coordinated omission). Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import NamedTuple, cast


class Load(NamedTuple):
    """What to send. `rate`: requests a second over all connections."""

    host: str
    port: int
    task: str
    features: dict[str, object]
    rate: float
    requests: int
    connections: int


class Answer(NamedTuple):
    """One reply. `latency`: seconds from when the request was due; `service`: from when it was sent."""

    status: int
    body: bytes
    latency: float
    service: float


class Connection(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._waiting is None:
            return
        start = self._buffer[:end].lower()
        length = int(start.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + 4 + length:
            return
        body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
        self._waiting.set_result((int(start[9:12]), body))
        self._waiting = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.set_exception(exc or ConnectionResetError("the server closed the connection"))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the reply."""
        assert self._transport is not None
        waiting: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        self._transport.write(request)
        return await waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def run(load: Load) -> tuple[list[Answer], float]:
    """Every reply, and the seconds that all took. Raises `OSError` when a connection breaks."""
    body = json.dumps({"features": load.features}).encode()
    start_line = f"POST /v1/tasks/{load.task}/predict HTTP/1.1\r\nhost: {load.host}\r\n"
    request = f"{start_line}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(Connection, load.host, load.port) for _ in range(load.connections)]
    answers: list[Answer] = []
    begun = time.perf_counter()
    due = (begun + index / load.rate for index in range(load.requests))

    async def work(connection: Connection) -> None:
        for moment in due:
            ahead = moment - time.perf_counter()
            if ahead > 0:
                await asyncio.sleep(ahead)
            sent = time.perf_counter()
            status, reply = await connection.ask(request)
            now = time.perf_counter()
            answers.append(Answer(status, reply, now - moment, now - sent))

    await asyncio.gather(*(work(connection) for _, connection in opened))
    seconds = time.perf_counter() - begun
    for _, connection in opened:
        connection.close()
    return answers, seconds


def summary(answers: list[Answer], seconds: float) -> dict[str, object]:
    """Counts and latencies in milliseconds."""
    statuses: dict[str, int] = {}
    for answer in answers:
        statuses[str(answer.status)] = statuses.get(str(answer.status), 0) + 1
    return {
        "requests": len(answers),
        "seconds": round(seconds, 3),
        "rate": round(len(answers) / seconds, 1),
        "statuses": statuses,
        "latency_ms": _quantiles([answer.latency for answer in answers]),
        "service_ms": _quantiles([answer.service for answer in answers]),
    }


def _quantiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    marks = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {name: round(1e3 * ordered[round(mark * (len(ordered) - 1))], 3) for name, mark in marks.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--task", required=True)
    parser.add_argument("--features", type=json.loads, required=True, help="a JSON object")
    parser.add_argument("--rate", type=float, default=2_000, help="requests a second")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--replies", type=Path, help="file for the bodies of all replies, one a line")
    given = parser.parse_args()
    count = round(given.rate * given.seconds)
    load = Load(given.host, given.port, given.task, given.features, given.rate, count, given.connections)
    try:
        import uvloop

        answers, seconds = uvloop.run(run(load))
    except ImportError:
        answers, seconds = asyncio.run(run(load))
    if given.replies is not None:
        given.replies.write_bytes(b"\n".join(answer.body for answer in answers))
    print(json.dumps(summary(answers, seconds)))
    return 0 if all(answer.status == 200 for answer in answers) else 1


if __name__ == "__main__":
    sys.exit(main())
