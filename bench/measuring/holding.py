"""Holds many connections open to one server, and asks over each of them in turn. Started by bench/connections.py.

    python holding.py PLAN

PLAN is JSON (see `Plan`). Prints "open" when all connections are, waits for a line, then sends; prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple, cast

import uvloop

_OPENING = 200
"""Connections that are being opened at once."""
_TIMEOUT = 60.0
PER_ADDRESS = 2_500
"""Connections from one loopback address: far fewer than a machine has ports for."""


class Plan(NamedTuple):
    """`first`: number of this process's first connection among all of `total`, which decides when it is its turn;
    `held`: how many it holds. Each asks every `every` seconds for `seconds`. `requests`, `ids`: files, of whole
    requests as hexadecimal lines, and for the ids of the predictions that were acknowledged."""

    port: int
    first: int
    held: int
    total: int
    seconds: float
    every: float
    requests: str
    ids: str


class Held(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._data = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._lost = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, mark, body = self._data.partition(b"\r\n\r\n")
        if not mark or self._answer is None:
            return
        length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self._data = b""
            if not self._answer.done():
                self._answer.set_result((int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = str(exc or "the server closed it")
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError(self._lost))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Raises `OSError` when the connection is gone or the answer does not come."""
        if self._lost:
            raise ConnectionResetError(f"while nothing was asked: {self._lost}")
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._transport.write(request)
        async with asyncio.timeout(_TIMEOUT):
            return await answer

    def close(self) -> None:
        self._transport.close()


class Outcome:
    """What came back."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()


async def open_all(plan: Plan) -> list[Held]:
    """All connections of this process."""
    gate = asyncio.Semaphore(_OPENING)

    async def one(number: int) -> Held:
        source = f"127.0.0.{2 + number // PER_ADDRESS % 250}"
        async with gate:
            loop = asyncio.get_running_loop()
            _, held = await loop.create_connection(Held, "127.0.0.1", plan.port, local_addr=(source, 0))
            return held

    return list(await asyncio.gather(*(one(plan.first + index) for index in range(plan.held))))


async def ask_in_turn(plan: Plan, held: list[Held], requests: list[bytes]) -> Outcome:
    """Each connection asks when it is its turn; latency counts from then."""
    outcome = Outcome()
    begun = time.perf_counter() + 0.1

    async def one(connection: Held, number: int) -> None:
        due = begun + plan.every * number / plan.total
        while due < begun + plan.seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            try:
                status, body = await connection.ask(requests[number % len(requests)])
            except OSError as error:
                outcome.errors[f"{type(error).__name__}: {error}"] += 1
                return
            outcome.latencies.append(time.perf_counter() - due)
            if status == 200:
                outcome.ids.append(json.loads(body)["prediction_id"])
            else:
                outcome.errors[f"{status}: {body[:200].decode(errors='replace')}"] += 1
            due += plan.every

    await asyncio.gather(*(one(connection, plan.first + index) for index, connection in enumerate(held)))
    return outcome


async def main(plan: Plan) -> None:
    requests = [bytes.fromhex(line) for line in Path(plan.requests).read_text().split()]
    held = await open_all(plan)
    print("open", flush=True)
    sys.stdin.readline()
    outcome = await ask_in_turn(plan, held, requests)
    Path(plan.ids).write_text("\n".join(outcome.ids))
    print(json.dumps({"latencies": outcome.latencies, "errors": outcome.errors}), flush=True)
    sys.stdin.readline()
    for connection in held:
        connection.close()


if __name__ == "__main__":
    uvloop.run(main(Plan(**json.loads(sys.argv[1]))))
