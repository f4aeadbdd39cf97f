from __future__ import annotations

import logging
import threading
import time
from queue import Empty, SimpleQueue

import pytest

from tropism.core.errors import Fault, NotReady
from tropism.serving.notices import Listener
from tropism.storage.notices import Notices

PATIENCE = 30.0


class Bell(Notices):
    """A server in memory. What is put into `rings` happens to whoever waits: True rings, an error cuts him off."""

    def __init__(self) -> None:
        self.rings: SimpleQueue[bool | Exception] = SimpleQueue()
        self.connected = threading.Semaphore(0)
        self.refusals = 0
        self.tries = 0
        self.closed = False

    def listen(self) -> None:
        self.tries += 1
        if self.refusals > 0:
            self.refusals -= 1
            raise NotReady("no notices: the server is down", Fault("notices.url", "bell://", "start it"))
        self.connected.release()

    def heard(self, seconds: float) -> bool:
        try:
            found = self.rings.get(timeout=seconds)
        except Empty:
            return False
        if isinstance(found, Exception):
            raise found
        return found

    def publish(self) -> None:
        self.rings.put(True)

    def close(self) -> None:
        self.closed = True


class Woken:
    """Counts wakes, and lets a test wait for the next."""

    def __init__(self) -> None:
        self._wakes = threading.Semaphore(0)

    def __call__(self) -> None:
        self._wakes.release()

    def once(self) -> bool:
        return self._wakes.acquire(timeout=PATIENCE)

    def again(self) -> bool:
        return self._wakes.acquire(blocking=False)


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def woken() -> Woken:
    return Woken()


def listen(bell: Bell, woken: Woken, backoff: tuple[float, ...] = (0.0,)) -> Listener:
    made = Listener(bell, woken, backoff=backoff, moment=0.01)
    made.start()
    return made


def test_it_wakes_when_it_has_connected_and_for_every_notice(bell: Bell, woken: Woken) -> None:
    listener = listen(bell, woken)
    assert woken.once(), "what happened before it connected went unheard"
    bell.publish()
    assert woken.once()
    bell.publish()
    assert woken.once()
    listener.stop()
    assert not woken.again(), "nobody rang"


def test_stopping_ends_the_thread_and_lets_the_connection_go(bell: Bell, woken: Woken) -> None:
    listener = listen(bell, woken)
    assert woken.once()
    listener.stop()
    assert bell.closed
    assert "notices" not in [thread.name for thread in threading.enumerate()]


def test_a_listener_that_was_never_started_can_be_stopped(bell: Bell, woken: Woken) -> None:
    Listener(bell, woken).stop()
    assert bell.tries == 0


def test_it_connects_again_and_looks_at_what_it_missed(bell: Bell, woken: Woken) -> None:
    listener = listen(bell, woken)
    assert woken.once()
    bell.rings.put(NotReady("no notices: the connection was cut"))
    assert woken.once(), "a change may have come while the connection was gone"
    bell.publish()
    assert woken.once()
    listener.stop()
    assert bell.tries == 2


def test_a_server_that_is_away_is_said_once_and_tried_until_it_is_back(
    bell: Bell, woken: Woken, caplog: pytest.LogCaptureFixture
) -> None:
    bell.refusals = 5
    with caplog.at_level(logging.INFO, logger="tropism.serving.notices"):
        listener = listen(bell, woken)
        assert woken.once()
        bell.publish()
        assert woken.once()
        bell.publish()
        assert woken.once(), "settled by now, for the last wait has ended"
        listener.stop()
    assert bell.tries == 6
    assert listener.problem == ""
    assert [record.getMessage() for record in caplog.records] == [
        "no notices: the server is down; looking for changes now and then until it is back",
        "notices are heard again",
    ]


def test_an_error_that_nobody_foresaw_does_not_end_it(bell: Bell, woken: Woken) -> None:
    listener = listen(bell, woken)
    assert woken.once()
    bell.rings.put(ValueError("what is this"))
    assert woken.once()
    listener.stop()


def test_tries_grow_further_apart_and_stopping_does_not_wait_for_the_next(bell: Bell, woken: Woken) -> None:
    bell.refusals = 1
    listener = listen(bell, woken, backoff=(3_600.0,))
    deadline = time.monotonic() + PATIENCE
    while not listener.problem:
        assert time.monotonic() < deadline
    listener.stop()
    assert bell.tries == 1
    assert listener.problem == "no notices: the server is down"
