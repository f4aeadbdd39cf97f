"""NATS JetStream: a durable pull consumer.

`faststream` connects. Reading is the client's own: a subscriber of `faststream` goes on to the next batch when the one
before could not be stored, and it tries again without pause while the connection is closed.
https://docs.nats.io/nats-concepts/jetstream/consumers
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import nats.errors
import nats.js.errors
from faststream.nats import NatsBroker
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from tropism.core.errors import Fault, SettingInvalid
from tropism.entrypoints.streams.base import Broker, Message, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tropism.features.brokers import Address

_TIMEOUT = 5
_MOST_UNACKNOWLEDGED = 10_000
_LEAST_WAIT = 0.005


class JetStream(Broker):
    """One stream, or those of its messages whose subject is asked for."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._broker: NatsBroker | None = None
        self._client: Any = None
        self._context: Any = None
        self._subscription: Any = None

    async def open(self, *, join: bool = True) -> None:
        with self._translated():
            # Connecting again is left to the caller, who closes and opens: one way, whatever went wrong.
            self._broker = NatsBroker(
                self.address.url,
                logger=None,
                connect_timeout=_TIMEOUT,
                allow_reconnect=False,
                max_reconnect_attempts=1,  # 0 would mean without end
                reconnect_time_wait=0,
            )
            self._client = await self._broker.connect()
            self._context = self._client.jetstream(timeout=_TIMEOUT)
            if join:
                await self._join()

    async def _join(self) -> None:
        address = self.address
        self._subscription = await self._context.pull_subscribe(
            address.subject, durable=address.group, stream=address.stream, config=self._terms()
        )
        subject = (await self._subscription.consumer_info()).config.filter_subject or ""
        if subject != address.subject:
            fault = Fault("group", address.group, f"name another group, or the subject {subject or 'of all messages'}")
            raise SettingInvalid(f"the durable consumer '{address.group}' is for another subject", fault)

    def _terms(self) -> ConsumerConfig:
        return ConsumerConfig(
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.ALL,
            ack_wait=self.address.hold,
            max_ack_pending=_MOST_UNACKNOWLEDGED,
            max_deliver=-1,
        )

    async def take(self, most: int, wait: float) -> list[Message]:
        with self._translated():
            try:
                found = await self._subscription.fetch(most, timeout=max(wait, _LEAST_WAIT))
            except (nats.errors.TimeoutError, TimeoutError) as error:
                self._require_connected(error)
                return []
        return [self._message(one) for one in found]

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        with self._translated():
            for message in messages:
                await message.receipt.ack()
            # Acknowledgements are not answered; an answer to this means that the server has read them.
            await self._client.flush(_TIMEOUT)

    async def standings(self) -> list[Standing]:
        with self._translated():
            end = (await self._context.stream_info(self.address.stream)).state.last_seq
            try:
                found = await self._context.consumer_info(self.address.stream, self.address.group)
            except nats.js.errors.NotFoundError:
                return [Standing(self.address.partition, None, str(end), None)]
        consumed = str(found.ack_floor.stream_seq) if found.ack_floor is not None else None
        unread = (found.num_pending or 0) + (found.num_ack_pending or 0)
        return [Standing(self.address.partition, consumed, str(end), unread)]

    async def close(self) -> None:
        client, self._client, self._broker = self._client, None, None
        self._subscription = self._context = None
        if client is not None:
            # Closed rather than drained: what was delivered meanwhile is delivered again.
            with suppress(nats.errors.Error, OSError, asyncio.TimeoutError):
                await client.close()

    def _message(self, found: Any) -> Message:
        at = found.metadata
        # A stream that is deleted and made anew counts from 1 again; the time of a message tells the two apart.
        offset = f"{at.sequence.stream}@{int(at.timestamp.timestamp() * 1_000)}"
        return Message(self.address.partition, offset, at.sequence.stream, found.data, found)

    def _require_connected(self, error: BaseException) -> None:
        if not self._client.is_connected:
            raise self.away("the connection was lost") from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except nats.js.errors.NotFoundError as error:
            raise self.away(f"it has no stream '{self.address.stream}' ({error.description})") from error
        except (TimeoutError, nats.errors.Error, OSError) as error:
            raise self.away(error) from error
