from __future__ import annotations

import threading

import pytest

from tropism.core import courtesy
from tropism.core.courtesy import give_way, giving_way


class Time:
    """A clock that work moves on, and the rests that were taken on it, in milliseconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rests: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.rests.append(round(self.now * 1e3, 3))
        self.now += seconds

    def work(self, steps: int) -> list[float]:
        """When it rested, in so many steps of 0.1 ms."""
        self.rests.clear()
        for _ in range(steps):
            self.now += 0.0001
            give_way()
        return list(self.rests)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(courtesy, "perf_counter", lambda: made.now)
    monkeypatch.setattr(courtesy, "sleep", made.sleep)
    return made


def test_long_work_rests_again_and_again_only_where_it_was_asked_to(time: Time) -> None:
    assert time.work(100) == []
    with giving_way():
        rests = time.work(100)
    assert len(rests) >= 25, "after every 0.3 ms, so after every third or fourth step"
    assert time.work(100) == []


def test_short_work_does_not_rest(time: Time) -> None:
    with giving_way():
        assert time.work(2) == []


def test_other_threads_are_not_slowed_down(time: Time) -> None:
    found: list[list[float]] = []
    with giving_way():
        other = threading.Thread(target=lambda: found.append(time.work(100)))
        other.start()
        other.join()
    assert found == [[]]


def test_a_block_within_a_block_ends_by_itself(time: Time) -> None:
    with giving_way():
        with giving_way():
            pass
        assert time.work(100)
