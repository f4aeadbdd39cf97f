from __future__ import annotations

import threading
import time

from tropism.core.courtesy import give_way, giving_way


def _work(seconds: float) -> tuple[float, int]:
    """How much of it a thread is at rest, and how often, while it works for so long."""
    rested, rests = 0.0, 0
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        begun, cpu = time.perf_counter(), time.thread_time()
        give_way()
        away = time.perf_counter() - begun - (time.thread_time() - cpu)
        if away > 0.0005:
            rested, rests = rested + away, rests + 1
    return rested, rests


def test_long_work_rests_again_and_again_only_where_it_was_asked_to() -> None:
    _, without = _work(0.03)
    with giving_way():
        rested, rests = _work(0.03)
    _, after = _work(0.03)
    assert rests >= 30
    assert rested >= 0.03
    assert without < 10
    assert after < 10


def test_other_threads_are_not_slowed_down() -> None:
    found: list[int] = []
    with giving_way():
        other = threading.Thread(target=lambda: found.append(_work(0.03)[1]))
        other.start()
        other.join()
    assert found[0] < 10


def test_a_block_within_a_block_ends_by_itself() -> None:
    with giving_way():
        with giving_way():
            pass
        assert _work(0.02)[1] >= 15
