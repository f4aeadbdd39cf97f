"""What a broker gives: messages, in batches, until they are acknowledged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism.core.errors import Fault, NotReady

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.features.brokers import Address


class Message(NamedTuple):
    """One message. `partition` and `offset` name it for good, however often it is delivered.

    `place`: a whole number above 0 that grows with the offset within the partition. `receipt`: what the broker wants
    to see when it is acknowledged. `fault`: why there is no payload to be read.
    """

    partition: str
    offset: str
    place: int
    payload: bytes
    receipt: Any = None
    fault: str = ""

    @property
    def id(self) -> str:
        return f"{self.partition}:{self.offset}"


class Standing(msgspec.Struct, frozen=True):
    """How far a group is in a partition: the last offset consumed, the broker's last one, and messages in between.

    What the broker does not tell is None.
    """

    partition: str
    consumed: str | None
    end: str | None
    lag: int | None


class Broker(ABC):
    """A consumer of one stream. What is not acknowledged is delivered again, to this consumer or another.

    One task at a time. Every method but `close` raises `NotReady` where the server is away or refuses; then `close`,
    and `open` again.
    """

    def __init__(self, address: Address) -> None:
        self.address = address

    @abstractmethod
    async def open(self, *, join: bool = True) -> None:
        """Connects, and makes the group where there is none: it begins with the oldest message that is kept.

        Without `join`, only to ask for `standings`: nothing is made, and nobody is kept from anything.
        """

    @abstractmethod
    async def take(self, most: int, wait: float) -> list[Message]:
        """The next messages, as soon as there are any; none after `wait` seconds."""

    @abstractmethod
    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """Has the broker never deliver these again. Returns when it knows."""

    @abstractmethod
    async def standings(self) -> list[Standing]:
        """How far the group is, by partition."""

    @abstractmethod
    async def close(self) -> None:
        """Lets the connection go. Never raises on a server's account."""

    def away(self, error: BaseException | str) -> NotReady:
        """What to raise when the server is away."""
        text = " ".join(str(error).split()) or type(error).__name__
        fault = Fault(
            self.address.field, self.address.shown, "check that the server runs, takes this login and has this stream"
        )
        return NotReady(f"no messages from {_TITLES[self.address.kind]}: {text[:200]}", fault)


_TITLES = {"redis": "Redis", "nats": "NATS", "kafka": "Kafka"}
