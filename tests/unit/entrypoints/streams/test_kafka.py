"""Kafka, over a stand-in for its client: partitions, commits, and a cluster that is away. None of it met a server."""

from __future__ import annotations

import pytest
from tests.conformance.stream_servers import KafkaStandIn

from tropism.core.errors import NotReady
from tropism.entrypoints.streams import kafka


async def test_each_partition_is_committed_up_to_what_was_taken() -> None:
    server = KafkaStandIn(partitions=2)
    await server.publish([b"0", b"1", b"2", b"3", b"4"])
    broker = server.broker()
    await broker.open()
    found = await broker.take(10, 0.0)
    assert {(one.partition.rpartition(":")[2], one.place) for one in found} == {
        ("0", 1),
        ("0", 2),
        ("0", 3),
        ("1", 1),
        ("1", 2),
    }
    await broker.acknowledge([one for one in found if one.payload != b"4"])
    assert {one.partition: end for one, end in server.cluster.committed.items()} == {0: 2, 1: 2}
    standings = {one.partition.rpartition(":")[2]: one for one in await broker.standings()}
    assert (standings["0"].consumed, standings["0"].end, standings["0"].lag) == ("1", "2", 1)
    assert (standings["1"].lag, standings["1"].end) == (0, "1")
    await broker.close()


async def test_a_message_without_a_value_is_at_fault() -> None:
    server = KafkaStandIn()
    server.cluster.records[0].append(None)
    broker = server.broker()
    await broker.open()
    found = await broker.take(1, 0.0)
    assert found[0].fault == "the message has no value"
    await broker.close()


async def test_a_cluster_that_goes_away_is_noticed_though_reading_stays_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "_PROBE_EVERY", 0.0)
    server = KafkaStandIn()
    broker = server.broker()
    await broker.open()
    assert await broker.take(1, 0.0) == []
    server.cluster.up = False
    with pytest.raises(NotReady, match="Kafka"):
        await broker.take(1, 0.0)
    await broker.close()
    with pytest.raises(NotReady, match="Kafka"):
        await server.broker().open()


async def test_asking_for_standings_does_not_join_the_group() -> None:
    server = KafkaStandIn()
    await server.publish([b"0"])
    broker = server.broker()
    await broker.open(join=False)
    assert (await broker.standings())[0].lag == 1
    assert await broker.take(1, 0.0) == []
    await broker.close()


@pytest.mark.parametrize(
    ("url", "protocol"),
    [("kafka://a:1,b:2", "PLAINTEXT"), ("kafkas://a:1", "SSL"), ("kafkas://ann:pw@a:1", "SASL_SSL")],
)
async def test_the_client_is_built_with_commits_by_hand(url: str, protocol: str) -> None:
    from tropism.features.brokers import parse_address

    client = await kafka.KafkaTopic(parse_address(f"{url}?topic=t", "payments"))._built()
    assert client._enable_auto_commit is False
    assert client._auto_offset_reset == "earliest"
    assert client._group_id == "tropism-payments"
    assert client._client._security_protocol == protocol
    await client.stop()
