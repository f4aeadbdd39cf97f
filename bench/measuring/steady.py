"""A constant rate of requests over kept connections, with a latency that no stall can hide.

Requests are due at fixed times, and latency counts from then: one that finds every connection busy waits, and its wait
counts (no coordinated omission). bench/load.py does the same on an event loop, whose timers are a millisecond coarse;
here each connection has a thread, which the kernel wakes to within about 0.1 ms.
"""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

_TIMEOUT = 60.0


class Steady(NamedTuple):
    """Latencies in seconds, in no order, and how many requests were not answered with 200."""

    latencies: list[float]
    faults: int

    def quantile(self, mark: float) -> float:
        """Milliseconds that a share `mark` of the requests stayed below."""
        ordered = sorted(self.latencies)
        return 1e3 * ordered[round(mark * (len(ordered) - 1))]


def request(path: str, body: bytes, port: int) -> bytes:
    """A whole POST request."""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def complete(data: bytes) -> bool:
    """Whether a reply is all there, its length given or in chunks."""
    head, mark, body = data.partition(b"\r\n\r\n")
    if not mark:
        return False
    head = head.lower()
    if b"\r\ntransfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(head.split(b"\r\ncontent-length:", 1)[1].split(b"\r\n", 1)[0])


def send(port: int, requests: Sequence[bytes], rate: float, seconds: float, connections: int) -> Steady:
    """Sends requests in turn at `rate` a second. A connection that breaks is a fault, and the others go on without it.

    Raises:
        OSError: the server cannot be reached.
    """
    count = round(rate * seconds)
    lock, places = threading.Lock(), iter(range(count))
    latencies: list[float] = []
    faults: list[str] = []

    def work(wire: socket.socket) -> None:
        with wire:
            while True:
                with lock:
                    place = next(places, None)
                if place is None:
                    return
                due = begun + place / rate
                time.sleep(max(0.0, due - time.perf_counter()))
                try:
                    reply = _ask(wire, requests[place % len(requests)])
                except OSError as error:
                    faults.append(str(error))
                    return
                latencies.append(time.perf_counter() - due)
                if reply[9:12] != b"200":
                    faults.append(reply[:200].decode("latin-1"))

    wires = [_connect(port) for _ in range(connections)]
    gc.disable()
    begun = time.perf_counter() + 0.1
    threads = [threading.Thread(target=work, args=(wire,), daemon=True) for wire in wires]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.enable()
    return Steady(latencies, len(faults))


def _connect(port: int) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port), _TIMEOUT)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return wire


def _ask(wire: socket.socket, sent: bytes) -> bytes:
    wire.sendall(sent)
    data = b""
    while not complete(data):
        more = wire.recv(65_536)
        if not more:
            raise ConnectionResetError("the server closed the connection")
        data += more
    return data
