"""What a channel is: one place that notices are sent to."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message for one channel. `id` is the same however often it is sent; `attempts` counts this one too."""

    id: str
    channel: str
    event: str
    body: dict[str, Any]
    created_at: int
    attempts: int = 1


class Answer(msgspec.Struct, frozen=True):
    """What became of a notice.

    `delivered`: it was accepted. `refused`: this one was not; others may be. `away`: the channel takes nothing at the
    moment. `gone`: it never will again. `reason`: in a few words, without the address. `wait`: µs that the receiver
    asked for.

    >>> Answer("away", "it answered 503", 30_000_000).wait
    30000000
    """

    kind: Literal["delivered", "refused", "away", "gone"]
    reason: str = ""
    wait: int = 0

    @property
    def delivered(self) -> bool:
        return self.kind == "delivered"


class Channel(Protocol):
    """Sends notices. Called from one thread at a time; must return within about the timeout it was made with."""

    def send(self, notice: Notice) -> Answer:
        """Tries once. What the receiver does wrong is an answer, not an error."""
        ...
