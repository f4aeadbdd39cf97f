"""How fast records are appended, next to plain writes of the same bytes, and read. Run: python bench/journal.py

Plain `os.write` (and `os.fdatasync`) of as many bytes in the same pieces is the limit; a ratio of 1 would mean
that framing, checksum and chain cost nothing.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter
from tropism.storage.journal.framing import pack

PAYLOAD = os.urandom(300)
ROUNDS = 3


def best(work: Callable[[Path], float]) -> float:
    """Fewest seconds of a few rounds, each in a folder of its own."""
    times = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            times.append(work(Path(folder)))
    return min(times)


def append_all(root: Path, appends: int, batch: int) -> float:
    writer = JournalWriter(root, JournalSettings(fsync="os", reserve=0))
    payloads = [PAYLOAD] * batch
    start = time.perf_counter()
    for _ in range(appends):
        writer.append(payloads)
    took = time.perf_counter() - start
    writer.close()
    return took


def write_all(root: Path, appends: int, batch: int) -> float:
    data, _ = pack([PAYLOAD] * batch, 0, bytes(8))
    descriptor = os.open(root / "plain", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    start = time.perf_counter()
    for _ in range(appends):
        os.write(descriptor, data)
    took = time.perf_counter() - start
    os.close(descriptor)
    return took


def append_durable(root: Path, records: int, clients: int) -> float:
    writer = JournalWriter(root, JournalSettings(fsync="group", reserve=0))

    async def client() -> None:
        for _ in range(records // clients):
            await writer.durable(writer.append([PAYLOAD]))

    async def run() -> float:
        start = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        return time.perf_counter() - start

    took = asyncio.run(run())
    writer.close()
    return took


def write_durable(root: Path, records: int, clients: int) -> float:
    """One fsync for each round of all clients: what a perfect grouping would do."""
    data, _ = pack([PAYLOAD], 0, bytes(8))
    flush = getattr(os, "fdatasync", os.fsync)
    descriptor = os.open(root / "plain", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    start = time.perf_counter()
    for _ in range(records // clients):
        for _ in range(clients):
            os.write(descriptor, data)
        flush(descriptor)
    took = time.perf_counter() - start
    os.close(descriptor)
    return took


def read_all(root: Path, records: int) -> tuple[float, float]:
    """Seconds to read all records, and µs of a look that finds nothing new."""
    append_all(root, records // 10, 10)
    reader = JournalReader(root)
    start = time.perf_counter()
    position: dict[str, int] = {}
    while found := reader.read(position):
        position = {"w0": found[-1].seq}
    took = time.perf_counter() - start
    os.utime(root / "w0", (1, 1))  # as if the segment had been begun long ago
    reader.read(position)
    start = time.perf_counter()
    for _ in range(2_000):
        reader.read(position)
    return took, (time.perf_counter() - start) / 2_000 * 1e6


def line(name: str, records: int, took: float, limit: float) -> None:
    rate, each = records / took, took / records * 1e6
    print(f"{name:<32}{rate:>12,.0f} records/s {each:>9.2f} µs/record   plain {limit / records * 1e6:>8.2f} µs", end="")
    print(f"   ratio {took / limit:.2f}")


def main() -> None:
    for batch, appends in ((1, 50_000), (100, 1_000)):
        took = best(partial(append_all, appends=appends, batch=batch))
        limit = best(partial(write_all, appends=appends, batch=batch))
        line(f"fsync=os, {batch} an append", appends * batch, took, limit)
    for clients, records in ((1, 300), (32, 9_600), (256, 25_600)):
        took = best(partial(append_durable, records=records, clients=clients))
        limit = best(partial(write_durable, records=records, clients=clients))
        line(f"fsync=group, {clients} waiting", records, took, limit)
    with tempfile.TemporaryDirectory() as folder:
        took, idle = read_all(Path(folder), 100_000)
    print(f"{'read':<32}{100_000 / took:>12,.0f} records/s {took * 10:>9.2f} µs/record   nothing new {idle:.1f} µs")


if __name__ == "__main__":
    main()
