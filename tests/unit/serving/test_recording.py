from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tropism.core.errors import DiskFull, Fault, NotReady, TropismError
from tropism.core.events import Outcome
from tropism.serving.recording import Recorder


def event(number: int) -> Outcome:
    return Outcome(id=f"o{number}", task="t", value=1.0, at=1, received=2)


async def turn() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


class Slow:
    """A journal whose flushes end when they are told to."""

    name = "w0"

    def __init__(self) -> None:
        self.appended: list[list[bytes]] = []
        self.flushes: list[asyncio.Future[None]] = []

    def append(self, payloads: Any) -> int:
        self.appended.append(list(payloads))
        return len(self.appended)

    def flushing(self, seq: int) -> asyncio.Future[None] | None:
        self.flushes.append(asyncio.get_running_loop().create_future())
        return self.flushes[-1]


async def test_what_one_turn_adds_is_one_record_in_its_order(desk: Any) -> None:
    recorder = desk.parts.recorder
    await asyncio.gather(*(recorder.record([event(2 * number), event(2 * number + 1)]) for number in range(3)))
    assert [one.id for one in desk.recorded()] == [f"o{number}" for number in range(6)]
    assert desk.journal.head == 1
    assert desk.meters.journaled == 1


async def test_nobody_is_told_before_it_is_durable(desk: Any) -> None:
    journal, told = Slow(), list[TropismError | None]()
    recorder = Recorder(journal, desk.meters)
    recorder.add([event(1)], told.append)
    recorder.add([event(2)], told.append)
    await turn()
    recorder.add([event(3)], told.append)
    await turn()
    assert (len(journal.appended), told) == (2, [])
    journal.flushes[0].set_result(None)
    await turn()
    assert told == [None, None]
    journal.flushes[1].set_result(None)
    await turn()
    assert told == [None, None, None]


@pytest.mark.parametrize(
    ("failure", "kind"), [(DiskFull("full"), DiskFull), (NotReady("away"), NotReady), (OSError("odd"), TropismError)]
)
async def test_a_failed_flush_is_told_to_all_and_shown(desk: Any, failure: Exception, kind: type[TropismError]) -> None:
    journal, told = Slow(), list[TropismError | None]()
    recorder = Recorder(journal, desk.meters)
    waiting = asyncio.create_task(recorder.record([event(1)]))
    await asyncio.sleep(0)
    recorder.add([event(2)], told.append)
    await turn()
    journal.flushes[0].set_exception(failure)
    with pytest.raises(kind):
        await waiting
    assert [type(one) for one in told] == [kind]
    assert desk.meters.journal_problem
    recorder.add([event(3)], told.append)
    await turn()
    journal.flushes[1].set_result(None)
    await turn()
    assert (told[1:], desk.meters.journal_problem) == ([None], "")


async def test_a_flush_that_was_given_up_is_no_success(desk: Any) -> None:
    journal = Slow()
    waiting = asyncio.create_task(Recorder(journal, desk.meters).record([event(1)]))
    await turn()
    journal.flushes[0].cancel()
    with pytest.raises(NotReady):
        await waiting


async def test_a_refused_append_is_told_to_all(desk: Any) -> None:
    desk.fill_disk()
    recorder = desk.parts.recorder
    results = await asyncio.gather(*(recorder.record([event(n)]) for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [DiskFull] * 3
    assert len({id(result) for result in results}) == 3, "each its own, since a traceback is written into it"
    assert isinstance(results[0], DiskFull)
    assert isinstance(results[0].faults[0], Fault)


async def test_a_fault_of_ours_leaves_nobody_waiting(desk: Any, caplog: pytest.LogCaptureFixture) -> None:
    journal = Slow()
    recorder = Recorder(journal, desk.meters)
    journal.append = None  # type: ignore[assignment,method-assign]  # a bug
    with caplog.at_level(logging.ERROR), pytest.raises(TropismError):
        await recorder.record([event(1)])
    assert "the journal failed" in caplog.text


async def test_one_who_cannot_be_told_does_not_keep_the_others_waiting(
    desk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(error: TropismError | None) -> None:
        raise RuntimeError("gone")

    recorder, told = desk.parts.recorder, list[TropismError | None]()
    with caplog.at_level(logging.ERROR):
        recorder.add([event(1)], fail)
        recorder.add([event(2)], told.append)
        await turn()
    assert told == [None]


async def test_one_who_stopped_waiting_disturbs_nobody(desk: Any) -> None:
    journal = Slow()
    recorder = Recorder(journal, desk.meters)
    first, second = (asyncio.create_task(recorder.record([event(n)])) for n in range(2))
    await turn()
    first.cancel()
    await turn()
    journal.flushes[0].set_result(None)
    await second
    assert first.cancelled()
