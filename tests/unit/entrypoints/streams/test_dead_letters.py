"""Dead letters are kept once, in whatever order and however often they come."""

from __future__ import annotations

from pathlib import Path

import pytest

from tropism.entrypoints.streams.base import Message
from tropism.entrypoints.streams.dead_letters import DeadLetters
from tropism.entrypoints.streams.sorting import Poison
from tropism.storage.lake import Lake


@pytest.fixture
def letters(tmp_path: Path) -> DeadLetters:
    return DeadLetters(Lake(tmp_path))


def poison(place: int, partition: str = "nats:s") -> Poison:
    return Poison(Message(partition, f"{place}@9", place, b"\x00%d" % place), f"reason {place}")


def origins(letters: DeadLetters, source: str = "payments") -> list[str]:
    return sorted(one.origin for one in letters.newest(source, 100))


def test_the_same_again_adds_nothing(letters: DeadLetters) -> None:
    assert letters.add("payments", [poison(3), poison(5)], 10) == 2
    assert letters.add("payments", [poison(3), poison(5)], 20) == 0
    assert letters.add("payments", [poison(5), poison(6)], 30) == 1
    assert origins(letters) == ["nats:s:3@9", "nats:s:5@9", "nats:s:6@9"]


def test_one_that_comes_late_is_kept_too_and_once(letters: DeadLetters) -> None:
    letters.add("payments", [poison(7)], 10)
    assert letters.add("payments", [poison(4)], 20) == 1
    assert letters.add("payments", [poison(4), poison(7)], 30) == 0
    assert letters.add("payments", [poison(2), poison(4), poison(8)], 40) == 2
    assert origins(letters) == [f"nats:s:{place}@9" for place in (2, 4, 7, 8)]


def test_two_sources_may_read_one_stream(letters: DeadLetters) -> None:
    letters.add("payments", [poison(3)], 10)
    assert letters.add("audit", [poison(3)], 10) == 1
    assert letters.counts() == {("payments", "nats:s"): 1, ("audit", "nats:s"): 1}


def test_the_newest_come_first_with_what_was_sent(letters: DeadLetters) -> None:
    for place in range(1, 6):
        letters.add("payments", [poison(place, f"kafka:t:{place % 2}")], place)
    first, second = letters.newest("payments", 2)
    assert (first.at, first.reason, first.origin, first.payload) == (5, "reason 5", "kafka:t:1:5@9", b"\x005")
    assert second.at == 4
    assert letters.counts() == {("payments", "kafka:t:0"): 2, ("payments", "kafka:t:1"): 3}


def test_without_any_there_are_none(letters: DeadLetters) -> None:
    assert letters.newest("payments", 5) == []
    assert letters.counts() == {}
