"""Messages into what goes on, and what cannot be read: one bad message does not hold up the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism.core.errors import Fault, InvalidInput
from tropism.core.events import Push
from tropism.features.streams.exact import exact_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.entrypoints.streams.base import Message
    from tropism.features.streams import EventReader

MOST_BYTES = 1_000_000
"""Of one message."""
_MOST_FAULTS = 5
_PREFIX = "events[0]"


class Poison(NamedTuple):
    """A message that cannot be used, and why."""

    message: Message
    reason: str


class Sorted(NamedTuple):
    """A push for each message that is fit, in their order, and the others. A message whose event a rule rejects is in
    both: its push counts the failure, and has no row."""

    pushes: list[Push]
    poison: list[Poison]


def sort_messages(messages: Sequence[Message], reader: EventReader, now: int, tolerance: int) -> Sorted:
    """Reads the event of each message.

    Every message has a push of its own, named by its place at the broker: however messages are batched when they are
    delivered again, each is known again. `now`, `tolerance` in µs.

    Raises:
        SettingInvalid, MissingExtra: a rule of the stream cannot be applied here.
    """
    decode = exact_json.decode if reader.exact else msgspec.json.decode
    found, poison = [], []
    for message in messages:
        try:
            found.append((message, _event(message, decode)))
        except InvalidInput as error:
            poison.append(Poison(message, _reason(error)))
    try:
        rows, failures, rejected = reader.read([event for _, event in found], now, tolerance)
    except InvalidInput:
        rows, failures, rejected = [], [], []
    if len(rows) == len(found) and not failures and not rejected:
        pushes = [_push(message, reader, now, [row]) for (message, _), row in zip(found, rows, strict=True)]
        return Sorted(pushes, poison)
    return _one_by_one(found, poison, reader, now, tolerance)


def _one_by_one(
    found: Sequence[tuple[Message, Any]], poison: list[Poison], reader: EventReader, now: int, tolerance: int
) -> Sorted:
    pushes = []
    for message, event in found:
        try:
            rows, failures, rejected = reader.read([event], now, tolerance)
        except InvalidInput as error:
            poison.append(Poison(message, _reason(error)))
            continue
        pushes.append(_push(message, reader, now, rows, failures))
        if rejected:
            poison.append(Poison(message, f"the rule {rejected[0].rule} rejects it: got {rejected[0].value}"))
    return Sorted(pushes, poison)


def _push(
    message: Message, reader: EventReader, now: int, rows: list[tuple[Any, ...]], failures: Sequence[Any] = ()
) -> Push:
    return Push(
        source=reader.source.name,
        received=now,
        names=reader.names,
        rows=rows,
        id=message.id,
        failures=list(failures),
    )


def _event(message: Message, decode: Any) -> Any:
    if message.fault:
        raise InvalidInput(message.fault)
    if len(message.payload) > MOST_BYTES:
        fault = Fault("message", f"{len(message.payload)} bytes", f"send at most {MOST_BYTES} bytes a message")
        raise InvalidInput("the message is too large", fault)
    try:
        return decode(message.payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"the message is not JSON: {error}") from error


def _reason(error: InvalidInput) -> str:
    """On one line, with the columns named as the sender knows them."""
    parts = []
    for fault in error.faults[:_MOST_FAULTS]:
        field = fault.field.removeprefix(_PREFIX).lstrip(".: ")
        got = f"got {fault.value}; " if fault.value else ""
        parts.append(f"{field}: {got}{fault.fix}" if field else f"{got}{fault.fix}")
    return " | ".join([error.message, *parts])
