"""Addresses of streams at brokers: what they say, and that no login is ever shown."""

from __future__ import annotations

import pytest

from tropism.core.errors import SettingInvalid
from tropism.features.brokers import login_of, parse_address


def test_options_are_ours_and_the_rest_is_the_clients() -> None:
    found = parse_address("rediss://ann:pw@h:6380/2?stream=s&group=g&hold=5s&ssl_cert_reqs=none", "payments")
    assert (found.kind, found.stream, found.group, found.hold) == ("redis", "s", "g", 5.0)
    assert found.url == "rediss://ann:pw@h:6380/2?ssl_cert_reqs=none"
    assert found.shown == "rediss://h:6380/2"


def test_positions_are_of_a_kind_a_stream_and_a_name() -> None:
    assert parse_address("nats://h:4222?stream=s&subject=a.*", "p").partition == "nats:s"
    assert parse_address("nats://h:4222?stream=s&name=eu", "p").partition == "nats:eu:s"


def test_kafka_may_have_several_hosts() -> None:
    found = parse_address("kafka://ann:p%40w@a:9092,b:9092?topic=t", "p")
    assert (found.kind, found.stream, found.shown) == ("kafka", "t", "kafka://a:9092,b:9092")
    assert login_of(found.url) == ("ann", "p@w")
    assert login_of("kafka://a:9092") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "payments",
        "amqp://h?stream=s",
        "redis://?stream=s",
        "redis://:secret@h:6379/0",
        "redis:/:secret@h:6379/0?stream=s",
        "redis://:a?secret@h:6379/0?stream=s",
        "redis://:secret@h:port/0?stream=s",
        "redis://:secret@h:6379?stream=s&hold=10ms",
        "redis://:secret@h:6379?stream=s&hold=soon",
        "nats://:secret@h:4222?stream=a.b",
        "nats://:secret@h:4222?stream=s&colour=red",
        "kafka://:secret@h:9092?stream=s",
    ],
)
def test_a_bad_address_is_refused_without_its_login(text: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        parse_address(text, "payments")
    assert "secret" not in str(caught.value)
    assert caught.value.faults[0].fix


def test_the_error_names_where_the_address_was_written() -> None:
    with pytest.raises(SettingInvalid) as caught:
        parse_address("redis://ann:secret@h:6379/0", "payments", "--from")
    (fault,) = caught.value.faults
    assert (fault.field, fault.value) == ("--from", "redis://h:6379/0")
