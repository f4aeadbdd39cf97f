from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

from tropism.core.errors import NotReady
from tropism.serving.remote_features import RemoteReads, Troubles


class Hung:
    """A store that answers when it is let go."""

    def __init__(self) -> None:
        self.go, self.asked = threading.Event(), 0

    def read(self) -> str:
        self.asked += 1
        self.go.wait(30)
        return "late"


@pytest.fixture
def hung() -> Iterator[Hung]:
    made = Hung()
    yield made
    made.go.set()


async def test_what_answers_in_time_is_given() -> None:
    assert await RemoteReads().read(lambda: "here", 1) == "here"


async def test_a_store_that_hangs_holds_up_the_first_requests_and_for_a_while_only(hung: Hung) -> None:
    reads = RemoteReads(patience=0.01)
    told = await asyncio.gather(*(reads.read(hung.read, 1) for _ in range(40)), return_exceptions=True)
    assert {type(one) for one in told} == {NotReady}
    asked = hung.asked
    for _ in range(100):
        with pytest.raises(NotReady, match="in time"):
            await reads.read(hung.read, 1)
    assert hung.asked == asked


async def test_a_store_that_answers_again_is_asked_again(hung: Hung) -> None:
    reads = RemoteReads(patience=0.01)
    with pytest.raises(NotReady):
        await reads.read(hung.read, 1)
    hung.go.set()
    while True:
        try:
            assert await reads.read(lambda: "here", 10_000) == "here"
            return
        except NotReady:
            await asyncio.sleep(0)


async def test_what_a_read_raises_is_raised() -> None:
    def away() -> None:
        raise NotReady("gone")

    reads = RemoteReads()
    for _ in range(2):
        with pytest.raises(NotReady, match="gone"):
            await reads.read(away, 1)


def test_the_log_says_once_a_minute_that_features_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    troubles = Troubles(lambda: now[0])
    troubles.went("fraud")
    for _ in range(1_000):
        troubles.failed("fraud", NotReady("away"))
    troubles.failed("other", NotReady("away"))
    assert [one.levelno for one in caplog.records] == [logging.ERROR] * 2
    now[0] = 61.0
    troubles.failed("fraud", NotReady("away"))
    assert len(caplog.records) == 3
    for _ in range(2):
        troubles.went("fraud")
    assert [one.getMessage() for one in caplog.records[3:]] == ["the features of 'fraud' can be read again"]
