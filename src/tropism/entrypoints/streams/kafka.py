"""Kafka: a consumer group whose offsets are committed by hand.

`faststream` builds the client. Reading is the client's own: a subscriber of `faststream` goes on to the next batch
when the one before could not be stored, and its next commit would pass over that one.
https://kafka.apache.org/documentation/#consumerconfigs
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLPlaintext

from tropism.entrypoints.streams.base import Broker, Message, Standing
from tropism.features.brokers import login_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from tropism.features.brokers import Address

_TIMEOUT, _JOINING = 10.0, 30.0
_PROBE_EVERY = 5.0


class KafkaTopic(Broker):
    """All partitions of a topic that the group gives this consumer. `build`: makes the client, not started yet."""

    def __init__(self, address: Address, build: Callable[[], Awaitable[Any]] | None = None) -> None:
        super().__init__(address)
        self._build = build or self._built
        self._client: Any = None
        self._probe_at = 0.0

    async def open(self, *, join: bool = True) -> None:
        with self._translated():
            self._client = await self._build()
            if join:
                self._client.subscribe(topics=[self.address.stream])
            else:  # has the client learn of the topic, and keeps it out of the group
                self._client.assign([TopicPartition(self.address.stream, 0)])
            await asyncio.wait_for(self._client.start(), _JOINING)
        self._probe_at = time.monotonic() + _PROBE_EVERY

    async def take(self, most: int, wait: float) -> list[Message]:
        with self._translated():
            found = await self._client.getmany(timeout_ms=max(1, int(wait * 1_000)), max_records=most)
            messages = [self._message(record) for records in found.values() for record in records]
            if messages:
                self._probe_at = time.monotonic() + _PROBE_EVERY
            elif time.monotonic() >= self._probe_at:
                # The client goes on trying by itself, in silence; this tells an empty topic from a server that is away.
                await self._ends()
                self._probe_at = time.monotonic() + _PROBE_EVERY
        return messages

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        ends: dict[TopicPartition, int] = {}
        for message in messages:
            partition, offset = message.receipt
            ends[partition] = max(ends.get(partition, 0), offset + 1)
        with self._translated():
            await self._client.commit({one: OffsetAndMetadata(end, "") for one, end in ends.items()})

    async def standings(self) -> list[Standing]:
        with self._translated():
            ends = await self._ends()
            found = []
            for partition, end in sorted(ends.items()):
                committed = await self._client.committed(partition)
                first = (await self._client.beginning_offsets([partition]))[partition]
                consumed = None if committed is None else str(committed - 1)
                unread = max(0, end - max(committed or 0, first))
                found.append(Standing(self._partition(partition), consumed, str(end - 1), unread))
        return found

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(KafkaError, OSError, asyncio.TimeoutError):
                await asyncio.wait_for(client.stop(), _TIMEOUT)

    async def _built(self) -> Any:
        secure = self.address.url.startswith("kafkas:")
        login = login_of(self.address.url)
        servers = self.address.url.partition("://")[2].rpartition("@")[2].strip("/").split(",")
        trust = ssl.create_default_context() if secure else None
        security = BaseSecurity(trust, secure) if login is None else SASLPlaintext(*login, trust, secure)
        broker = KafkaBroker(servers, logger=None, consumer_only=True, security=security)
        build = await broker.connect()
        return build(group_id=self.address.group, enable_auto_commit=False, auto_offset_reset="earliest")

    async def _ends(self) -> dict[TopicPartition, int]:
        """The offset after the last message of each partition of the topic."""
        numbers = self._client.partitions_for_topic(self.address.stream) or ()
        partitions = [TopicPartition(self.address.stream, number) for number in numbers]
        asked = self._client.end_offsets(partitions) if partitions else self._client.topics()
        found = await asyncio.wait_for(asked, _TIMEOUT)
        return dict(found) if partitions else {}

    def _message(self, record: Any) -> Message:
        partition = TopicPartition(record.topic, record.partition)
        # A topic that is deleted and made anew counts from 0 again; the time of a message tells the two apart.
        offset = f"{record.offset}@{record.timestamp}"
        fault = "" if record.value is not None else "the message has no value"
        receipt = (partition, record.offset)
        return Message(self._partition(partition), offset, record.offset + 1, record.value or b"", receipt, fault)

    def _partition(self, partition: TopicPartition) -> str:
        return f"{self.address.partition}:{partition.partition}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (TimeoutError, KafkaError, OSError) as error:
            raise self.away(error) from error
