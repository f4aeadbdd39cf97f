"""How far consumers are, from the broker or as they said last."""

from __future__ import annotations

from tropism.entrypoints.streams.base import Message
from tropism.entrypoints.streams.dead_letters import DeadLetters
from tropism.entrypoints.streams.sorting import Poison
from tropism.entrypoints.streams.standing import stood
from tropism.features.brokers import parse_address
from tropism.wiring import Platform


def test_what_was_said_last_stands_beside_dead_letters(platform: Platform) -> None:
    kept = {"partition": "redis:s", "consumed": "5-0", "end": "9-0", "lag": 4, "at": 77}
    platform.registry.progress.set("streams/payments/redis:s", kept, now=77)
    letters = [Poison(Message("kafka:t:0", "3@1", 4, b"x"), "bad")]
    DeadLetters(platform.lake).add("payments", letters, 5)
    kafka, redis = stood(platform, {})
    assert (redis.partition, redis.consumed, redis.lag, redis.dead_letters, redis.at) == ("redis:s", "5-0", 4, 0, 77)
    assert (kafka.partition, kafka.consumed, kafka.dead_letters, kafka.at) == ("kafka:t:0", None, 1, None)


def test_a_broker_that_is_away_leaves_the_figures_of_before(platform: Platform) -> None:
    kept = {"partition": "redis:s", "consumed": "5-0", "end": "9-0", "lag": 4, "at": 77}
    platform.registry.progress.set("streams/payments/redis:s", kept, now=77)
    address = parse_address("redis://127.0.0.1:1?stream=s", "payments")
    (found,) = stood(platform, {"payments": address})
    assert (found.lag, found.at) == (4, 77)
    assert "no messages from Redis" in found.away
