"""Brokers to test streams on: Redis and NATS as they are, and a stand-in for Kafka's client."""

from __future__ import annotations

import asyncio
import os
import uuid
from abc import ABC, abstractmethod
from typing import Any

import nats
import pytest
import redis
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import OffsetAndMetadata
from tests.conformance.redis_server import redis_url

from tropism.entrypoints.streams.base import Broker
from tropism.entrypoints.streams.kafka import KafkaTopic
from tropism.entrypoints.streams.opening import broker_at
from tropism.features.brokers import Address, parse_address


class Server(ABC):
    """A stream of its own at a broker."""

    def __init__(self) -> None:
        self.stream = f"tropism_{uuid.uuid4().hex[:12]}"

    @abstractmethod
    def text(self) -> str:
        """The stream's address."""

    @property
    def address(self) -> Address:
        return parse_address(self.text(), "payments")

    def broker(self, consumer: str = "one") -> Broker:
        return broker_at(self.address, consumer)

    @abstractmethod
    async def begin(self) -> None: ...

    @abstractmethod
    async def publish(self, payloads: list[bytes]) -> None: ...

    @abstractmethod
    async def end(self) -> None: ...


class RedisServer(Server):
    def __init__(self, url: str = "") -> None:
        super().__init__()
        self.url = url or redis_url()

    def text(self) -> str:
        return f"{self.url}?stream={self.stream}&hold=1s"

    async def begin(self) -> None:
        pass

    async def publish(self, payloads: list[bytes]) -> None:
        with redis.Redis.from_url(self.url) as client:
            for payload in payloads:
                client.xadd(self.stream, {"data": payload})

    async def end(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.delete(self.stream)


class NatsServer(Server):
    def __init__(self, url: str = "") -> None:
        super().__init__()
        self.url = url or f"nats://{os.environ.get('TROPISM_TEST_NATS', '127.0.0.1:4222')}"

    def text(self) -> str:
        return f"{self.url}?stream={self.stream}&hold=1s"

    async def begin(self) -> None:
        try:
            client = await nats.connect(self.url, allow_reconnect=False, connect_timeout=2)
        except (OSError, nats.errors.Error):
            if "TROPISM_TEST_NATS" in os.environ:
                raise
            pytest.skip(f"no NATS answers at {self.url}; set TROPISM_TEST_NATS to test against another")
        await client.jetstream().add_stream(name=self.stream, subjects=[f"{self.stream}.*"])
        await client.close()

    async def publish(self, payloads: list[bytes]) -> None:
        client = await nats.connect(self.url)
        for payload in payloads:
            await client.jetstream().publish(f"{self.stream}.paid", payload)
        await client.close()

    async def end(self) -> None:
        client = await nats.connect(self.url)
        await client.jetstream().delete_stream(self.stream)
        await client.close()


class Record:
    """As `aiokafka.ConsumerRecord`, as far as it is read."""

    def __init__(self, topic: str, partition: int, offset: int, value: bytes | None) -> None:
        self.topic, self.partition, self.offset, self.value = topic, partition, offset, value
        self.timestamp = 1_700_000_000_000 + offset


class Cluster:
    """What Kafka keeps: records by partition, offsets committed by group. `up`: it answers."""

    def __init__(self, topic: str, partitions: int = 2) -> None:
        self.topic, self.up = topic, True
        self.records: list[list[bytes | None]] = [[] for _ in range(partitions)]
        self.committed: dict[TopicPartition, int] = {}


class Client:
    """Behaves as `AIOKafkaConsumer` with commits by hand: it reads on from where it is, whatever is committed, and a
    new one begins at what was committed. Where the cluster is away, reading gives nothing and all else fails."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._at: dict[TopicPartition, int] = {}

    def subscribe(self, topics: list[str]) -> None:
        assert topics == [self._cluster.topic]
        self._at = {one: self._cluster.committed.get(one, 0) for one in self._partitions()}

    def assign(self, partitions: list[TopicPartition]) -> None:
        assert all(one.topic == self._cluster.topic for one in partitions)

    async def start(self) -> None:
        self._require_up()

    async def stop(self) -> None:
        self._at = {}

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        found: dict[TopicPartition, list[Record]] = {}
        for one, at in self._at.items() if self._cluster.up else ():
            left = max_records - sum(map(len, found.values()))
            values = self._cluster.records[one.partition][at : at + left]
            if values:
                found[one] = [Record(one.topic, one.partition, at + index, value) for index, value in enumerate(values)]
                self._at[one] = at + len(values)
        if not found:
            await asyncio.sleep(timeout_ms / 1_000)
        return found

    async def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        self._require_up()
        self._cluster.committed |= {one: end.offset for one, end in offsets.items()}

    async def committed(self, partition: TopicPartition) -> int | None:
        self._require_up()
        return self._cluster.committed.get(partition)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        self._require_up()
        return {one: len(self._cluster.records[one.partition]) for one in partitions}

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def topics(self) -> set[str]:
        self._require_up()
        return {self._cluster.topic}

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(len(self._cluster.records)))

    def _partitions(self) -> list[TopicPartition]:
        return [TopicPartition(self._cluster.topic, number) for number in range(len(self._cluster.records))]

    def _require_up(self) -> None:
        if not self._cluster.up:
            raise KafkaConnectionError("no broker answers")


class KafkaStandIn(Server):
    """No Kafka runs here: a stand-in for its client, over what a cluster would keep."""

    def __init__(self, partitions: int = 1) -> None:
        super().__init__()
        self.cluster = Cluster(self.stream, partitions)

    def text(self) -> str:
        return f"kafka://127.0.0.1:9092?topic={self.stream}&hold=1s"

    def broker(self, consumer: str = "one") -> Broker:
        async def build() -> Any:
            return Client(self.cluster)

        return KafkaTopic(self.address, build)

    async def begin(self) -> None:
        pass

    async def publish(self, payloads: list[bytes]) -> None:
        for index, payload in enumerate(payloads):
            self.cluster.records[index % len(self.cluster.records)].append(payload)

    async def end(self) -> None:
        pass
