from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from tropism.core.errors import DiskFull, Fault
from tropism.storage.journal.syncing import GroupSync


def waiting_for(gate: threading.Event) -> Callable[[], None]:
    def flush() -> None:
        gate.wait(10)

    return flush


async def test_all_who_wait_meanwhile_share_the_next_flush() -> None:
    flushes = 0
    gate = threading.Event()

    def flush() -> None:
        nonlocal flushes
        flushes += 1
        gate.wait(10)

    sync = GroupSync(flush)
    first = sync.request()
    while flushes == 0:
        await asyncio.sleep(0)
    others = [sync.request() for _ in range(100)]
    gate.set()
    await asyncio.gather(first, *others)

    assert flushes == 2
    sync.close()


async def test_a_loop_is_woken_once_for_all_its_waiters(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    wakes = 0
    gate = threading.Event()
    wake = loop.call_soon_threadsafe

    def counted(*arguments: object, **more: object) -> object:
        nonlocal wakes
        wakes += 1
        return wake(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    sync = GroupSync(waiting_for(gate))
    waiting = [sync.request() for _ in range(50)]
    gate.set()
    await asyncio.gather(*waiting)

    assert 1 <= wakes <= 2  # the first request may have had a flush of its own
    sync.close()


async def test_a_failed_flush_fails_those_who_waited_and_no_later_ones() -> None:
    failing = True

    def flush() -> None:
        if failing:
            raise DiskFull("no room", Fault("journal", "here", "free space"))

    sync = GroupSync(flush)
    results = await asyncio.gather(*(sync.request() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [DiskFull] * 3
    assert len({id(result) for result in results}) == 3

    failing = False
    await sync.request()
    sync.close()


async def test_closing_serves_those_who_asked_before() -> None:
    sync = GroupSync(lambda: None)
    waiting = [sync.request() for _ in range(10)]
    sync.close()
    await asyncio.gather(*waiting)


def test_waiters_of_a_loop_that_is_gone_disturb_nobody() -> None:
    gate = threading.Event()
    sync = GroupSync(waiting_for(gate))

    async def ask() -> None:
        sync.request()

    asyncio.run(ask())
    gate.set()

    async def ask_and_wait() -> None:
        await sync.request()

    asyncio.run(ask_and_wait())
    sync.close()


class Disk:
    """A flush that takes as long as it is told to, by a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.now, self.seconds, self.threads = 0.0, seconds, set[str]()
        monkeypatch.setattr("tropism.storage.journal.syncing.time.perf_counter", lambda: self.now)

    def flush(self) -> None:
        self.now += self.seconds
        self.threads.add(threading.current_thread().name)


async def test_a_disk_that_is_quick_is_waited_for_at_once_until_it_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, 0.0002)
    sync = GroupSync(disk.flush)
    verdicts = [sync.quick]  # nothing is known of it yet
    for _ in range(50):
        await sync.request()
    verdicts.append(sync.quick)
    assert disk.threads == {"journal-sync"}
    sync.flush_now()
    assert threading.current_thread().name in disk.threads
    disk.seconds = 1.0  # it stalls once
    sync.flush_now()
    verdicts.append(sync.quick)
    disk.seconds = 0.0002
    for _ in range(100):
        await sync.request()
    verdicts.append(sync.quick)
    assert verdicts == [False, True, False, True]
    sync.close()
