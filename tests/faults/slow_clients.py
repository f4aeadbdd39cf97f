"""Callers who mean ill: bytes that come one a second, bodies that never end, replies that nobody reads.

    python slow_clients.py PORT TASK CONNECTIONS

Holds so many connections, and opens each again when the server has closed it, until a line comes in; then prints one
JSON object: how many connections were closed on us, by what they did, and bytes that those who do not read took in.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

PACE = 1.0
_VALUES = {
    "f0": ("FP64", 1.0),
    "f1": ("FP64", 2.0),
    "f2": ("FP64", 3.0),
    "colour": ("BYTES", "red"),
    "flag": ("BOOL", True),
}
_ROW = json.dumps({"features": {name: value for name, (_, value) in _VALUES.items()}}).encode()
_TENSORS = json.dumps(
    {
        "inputs": [
            {"name": name, "shape": [1], "datatype": kind, "data": [value]} for name, (kind, value) in _VALUES.items()
        ]
    }
).encode()
_AHEAD = 256 * 1024
"""Bytes that one who does not read sends ahead at a time."""


class Attack:
    """All the connections."""

    def __init__(self, port: int, task: str) -> None:
        self.closed: Counter[str] = Counter()
        self.sent = 0
        self._address = ("127.0.0.1", port)
        self._path = f"/v1/tasks/{task}/predict".encode()
        self._infer = f"/v2/models/{task}/infer".encode()

    def start(self, connections: int) -> list[asyncio.Task[None]]:
        """A fifth each: slow heads, slow bodies, chunks without end, and two kinds of those who do not read."""
        ways: list[tuple[str, Callable[[socket.socket], Awaitable[None]]]] = [
            ("head", self._head),
            ("body", self._body),
            ("chunks", self._chunks),
            ("deaf", self._deaf),
            ("deaf to V2", self._deaf_to_v2),
        ]
        return [asyncio.create_task(self._hold(*ways[number % len(ways)])) for number in range(connections)]

    async def _hold(self, name: str, way: Callable[[socket.socket], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with socket.socket() as wire:
                wire.setblocking(False)
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                try:
                    await loop.sock_connect(wire, self._address)
                    await way(wire)
                except OSError:
                    self.closed[name] += 1
            await asyncio.sleep(PACE)

    async def _head(self, wire: socket.socket) -> None:
        await self._drip(wire, b"POST " + self._path + b" HTTP/1.1\r\nhost: localhost\r\nx-slow: ")

    async def _body(self, wire: socket.socket) -> None:
        await self._drip(wire, b"POST " + self._path + b" HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999\r\n\r\n{")

    async def _chunks(self, wire: socket.socket) -> None:
        head = b"POST " + self._path + b" HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        await self._drip(wire, head, b"1\r\n \r\n")

    async def _drip(self, wire: socket.socket, first: bytes, drop: bytes = b" ") -> None:
        """Sends what looks like a request, then a little a second for as long as it may."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(wire, first)
        while True:
            await asyncio.sleep(PACE)
            await loop.sock_sendall(wire, drop)

    async def _deaf(self, wire: socket.socket) -> None:
        await self._flood(wire, self._path, _ROW)

    async def _deaf_to_v2(self, wire: socket.socket) -> None:
        await self._flood(wire, self._infer, _TENSORS)

    async def _flood(self, wire: socket.socket, path: bytes, body: bytes) -> None:
        """Asks and asks, and takes in nothing, until the server takes in nothing either."""
        request = b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (path, len(body), body)
        many = request * (_AHEAD // len(request))
        loop = asyncio.get_running_loop()
        while True:
            await loop.sock_sendall(wire, many)
            self.sent += len(many)
            await asyncio.sleep(PACE / 4)


async def main(port: int, task: str, connections: int) -> None:
    attack = Attack(port, task)
    tasks = attack.start(connections)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    for one in tasks:
        one.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    sys.stdout.write(json.dumps({"closed": attack.closed, "unread_requests_mb": round(attack.sent / 1e6, 1)}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
