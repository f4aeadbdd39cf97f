"""The broker of an address."""

from __future__ import annotations

import sys

import pytest

from tropism.core.errors import MissingExtra
from tropism.entrypoints.streams.opening import broker_at
from tropism.features.brokers import parse_address

ADDRESSES = {"RedisStream": "redis://h?stream=s", "JetStream": "nats://h?stream=s", "KafkaTopic": "kafka://h?topic=s"}


@pytest.mark.parametrize(("name", "text"), ADDRESSES.items())
def test_each_kind_has_its_broker(name: str, text: str) -> None:
    assert type(broker_at(parse_address(text, "payments"))).__name__ == name


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiokafka", None)
    with pytest.raises(MissingExtra, match=r"tropism\[streams\]"):
        broker_at(parse_address("kafka://h?topic=s", "payments"))
