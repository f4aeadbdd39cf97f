"""Redis Streams: a consumer group, with what dead consumers left taken over.

`faststream` connects and its messages are understood. Reading is the client's own: a batch subscriber of `faststream`
fails as a whole on one entry that is not its own, does not read again what was delivered and not acknowledged, and
claims one entry at a time.
https://redis.io/docs/latest/develop/data-types/streams/
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from faststream.redis import RedisBroker
from faststream.redis.parser import BinaryMessageFormatV1
from redis.exceptions import RedisError, ResponseError

from tropism.entrypoints.streams.base import Broker, Message, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tropism.features.brokers import Address

_Entry = tuple[bytes, dict[bytes, bytes] | None]
_WRAPPED = b"__data__"
_SEQ_BITS = 20
_MOST_PLACE = (1 << 63) - 1
_TIMEOUT = 5.0
_LONGEST_BLOCK = 2.0
"""Seconds: well below the time after which a server that does not answer counts as away."""


class RedisStream(Broker):
    """One stream. `consumer`: this process's own name in the group; whoever has it later is given what was left."""

    def __init__(self, address: Address, consumer: str) -> None:
        super().__init__(address)
        self._consumer = consumer or "tropism"
        self._broker: RedisBroker | None = None
        self._client: Any = None
        self._own: bytes | None = b"0"
        self._claim_from: bytes = b"0-0"
        self._claim_at = 0.0

    async def open(self, *, join: bool = True) -> None:
        with self._translated():
            # Its own retries would only hide for how long the server has been away.
            self._broker = RedisBroker(self.address.url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)
            self._client = await self._broker.connect()
            if join:
                await self._join()
        self._own, self._claim_at = b"0", time.monotonic() + self.address.hold / 2

    async def _join(self) -> None:
        try:
            await self._client.xgroup_create(self.address.stream, self.address.group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def take(self, most: int, wait: float) -> list[Message]:
        with self._translated():
            if self._own is not None:
                entries = await self._read(self._own, most, None)
                self._own = entries[-1][0] if entries else None
                if entries:
                    return await self._messages(entries)
            if time.monotonic() >= self._claim_at:
                entries = await self._claim(most)
                if entries:
                    return await self._messages(entries)
            return await self._messages(await self._read(b">", most, max(1, int(min(wait, _LONGEST_BLOCK) * 1_000))))

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        with self._translated():
            await self._client.xack(self.address.stream, self.address.group, *(one.receipt for one in messages))

    async def standings(self) -> list[Standing]:
        with self._translated():
            stream = await self._client.xinfo_stream(self.address.stream)
            groups = await self._client.xinfo_groups(self.address.stream)
        group = next((one for one in groups if _text(one["name"]) == self.address.group), None)
        end = _text(stream["last-generated-id"])
        if group is None:
            return [Standing(self.address.partition, None, end, int(stream["length"]))]
        lag = group.get("lag")  # from Redis 7 on; none where entries were deleted from the middle
        unread = None if lag is None else int(lag) + int(group["pending"])
        return [Standing(self.address.partition, _text(group["last-delivered-id"]), end, unread)]

    async def close(self) -> None:
        broker, self._broker, self._client = self._broker, None, None
        if broker is not None:
            try:
                await broker.stop()
            except (RedisError, OSError):
                return

    async def _read(self, after: bytes, most: int, block: int | None) -> list[_Entry]:
        found = await self._client.xreadgroup(
            self.address.group, self._consumer, {self.address.stream: after}, count=most, block=block
        )
        streams = found.items() if isinstance(found, dict) else found
        return [entry for _, entries in streams or () for entry in _flat(entries)]

    async def _claim(self, most: int) -> list[_Entry]:
        """Entries that others were given long ago and have not acknowledged."""
        found = await self._client.xautoclaim(
            self.address.stream,
            self.address.group,
            self._consumer,
            min_idle_time=int(self.address.hold * 1_000),
            start_id=self._claim_from,
            count=most,
        )
        self._claim_from = found[0]
        if found[0] == b"0-0":
            self._claim_at = time.monotonic() + self.address.hold / 2
        return _flat(found[1])

    async def _messages(self, entries: list[_Entry]) -> list[Message]:
        gone = [identifier for identifier, fields in entries if not fields]
        if gone:  # deleted from the stream, or cut off it, before they were read
            await self._client.xack(self.address.stream, self.address.group, *gone)
        return [self._message(identifier, fields) for identifier, fields in entries if fields]

    def _message(self, identifier: bytes, fields: dict[bytes, bytes]) -> Message:
        offset = identifier.decode()
        payload, fault = _payload(fields)
        return Message(self.address.partition, offset, _place(offset), payload, identifier, fault)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            raise self.away(error) from error


def _flat(entries: Any) -> list[_Entry]:
    """Entries as the protocol's version 2 has them, or those of version 3, which come in lists of lists."""
    if entries and entries[0] and isinstance(entries[0][0], list | tuple):
        return [entry for part in entries for entry in part]
    return list(entries or ())


def _payload(fields: dict[bytes, bytes]) -> tuple[bytes, str]:
    """The event's JSON: what `faststream` publishes, the field `data`, or the only field; or why there is none."""
    wrapped = fields.get(_WRAPPED)
    if wrapped is not None:
        if wrapped.startswith(BinaryMessageFormatV1.IDENTITY_HEADER):
            return bytes(BinaryMessageFormatV1.parse(wrapped)[0]), ""
        return wrapped, ""
    if b"data" in fields:
        return fields[b"data"], ""
    if len(fields) == 1:
        return next(iter(fields.values())), ""
    named = ", ".join(sorted(field.decode(errors="replace") for field in fields))
    whole = b"\n".join(field + b"=" + value for field, value in fields.items())
    return whole, f"the entry has several fields ({named[:200]}); send the event as JSON in the field 'data'"


def _place(offset: str) -> int:
    """A number that grows with the id of an entry, its milliseconds and its number within them.

    >>> _place("1700000000000-0") < _place("1700000000000-1") < _place("1700000000001-0")
    True
    """
    moment, _, number = offset.partition("-")
    place = (int(moment) << _SEQ_BITS) + min(int(number), (1 << _SEQ_BITS) - 1)
    return max(1, min(place, _MOST_PLACE))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
