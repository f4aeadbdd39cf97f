from __future__ import annotations

from tropism.serving.breaker import Breaker


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(failures=3, rest=10, time=Time())
    assert [breaker.failed(), breaker.failed()] == [False, False]
    breaker.succeeded()
    assert not breaker.failing
    assert [breaker.failed(), breaker.failed(), breaker.allows(), breaker.failed()] == [False, False, True, True]
    assert not breaker.allows()
    assert breaker.failing


def test_one_call_tries_again_after_a_rest() -> None:
    time = Time()
    breaker = Breaker(failures=1, rest=10, time=time)
    assert breaker.failed()
    time.now = 9.9
    assert not breaker.allows()
    time.now = 10.0
    assert [breaker.allows(), breaker.allows()] == [True, False]
    assert not breaker.failed(), "it was open already"
    time.now = 19.9
    assert not breaker.allows()
    time.now = 20.0
    assert breaker.allows()
    breaker.succeeded()
    assert [breaker.allows() for _ in range(5)] == [True] * 5


def test_a_trial_that_never_reports_is_followed_by_another() -> None:
    time = Time()
    breaker = Breaker(failures=1, rest=10, time=time)
    breaker.failed()
    time.now = 10.0
    assert breaker.allows()
    time.now = 20.0
    assert breaker.allows()
