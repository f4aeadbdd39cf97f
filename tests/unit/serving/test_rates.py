from __future__ import annotations

from typing import Any

import pytest

from tropism.serving import rates as module
from tropism.serving.rates import Rates


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def admitted(rates: Rates, count: int, key: bytes = b"k", address: Any = None) -> int:
    return sum(rates.admit(key, address) for _ in range(count))


def test_a_burst_is_admitted_and_then_the_rate() -> None:
    time = Time()
    rates = Rates(2.0, 5, time)
    assert admitted(rates, 10) == 5
    for _ in range(20):
        time.now += 0.25
        admitted(rates, 3)
    time.now += 1.0
    assert admitted(rates, 10) == 2
    time.now += 1_000
    assert admitted(rates, 10) == 5, "never more than a burst"


def test_being_refused_costs_nothing() -> None:
    time = Time()
    rates = Rates(1.0, 1, time)
    assert admitted(rates, 1_000) == 1
    time.now += 1.0
    assert admitted(rates, 2) == 1


def test_callers_are_known_by_key_and_else_by_address() -> None:
    rates = Rates(0.001, 1, Time())
    assert rates.admit(b"a", ("10.0.0.1", 5))
    assert not rates.admit(b"a", ("10.0.0.2", 5)), "the same key from elsewhere"
    assert rates.admit(b"", ("10.0.0.1", 5))
    assert not rates.admit(b"", ("10.0.0.1", 6)), "another port of the same machine"
    assert rates.admit(b"b" * 5_000, None)
    assert not rates.admit(b"b" * 5_000, None)
    assert rates.admit(b"b" * 5_001, None)


def test_what_is_given_back_can_be_had_again() -> None:
    rates = Rates(0.001, 2, Time())
    assert admitted(rates, 3) == 2
    rates.give_back(b"k", None)
    assert admitted(rates, 3) == 1
    for _ in range(9):
        rates.give_back(b"k", None)
    assert admitted(rates, 9) == 2, "never more than a burst"


def test_without_a_rate_anybody_may() -> None:
    rates = Rates()
    rates.give_back(b"k", None)
    assert admitted(rates, 1_000) == 1_000


@pytest.mark.parametrize("pause", [0.0, 0.01, 1.0])
def test_callers_are_forgotten_before_they_are_too_many(monkeypatch: pytest.MonkeyPatch, pause: float) -> None:
    monkeypatch.setattr(module, "_MOST_CALLERS", 100)
    time = Time()
    rates = Rates(1.0, 2, time)
    looks = 0
    forget = rates._forget

    def counted(now: float) -> None:
        nonlocal looks
        looks += 1
        forget(now)

    monkeypatch.setattr(rates, "_forget", counted)
    for number in range(2_000):
        assert rates.admit(b"%d" % number, None)
        time.now += pause
        assert len(rates._buckets) <= 100
    assert 0 < looks <= 40, "looking through them all is done seldom"
