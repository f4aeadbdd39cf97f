"""What goes through the journal: predictions made and outcomes learnt.

Events are facts: immutable, append-only, encoded as MessagePack. Times are µs since the epoch, UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

Value = float | str | bool | None
"""A feature's value as it was sent: number, category, boolean, or missing."""


class Prediction(msgspec.Struct, frozen=True, kw_only=True, tag="prediction", omit_defaults=True):
    """One prediction, with everything needed to replay it.

    `scores` has one number for binary (probability of the positive class) and regression tasks, and one
    probability a class for multiclass ones. It is empty for rows that were imported rather than predicted.
    """

    id: str
    task: str
    at: int
    features: dict[str, Value]
    scores: tuple[float, ...] = ()
    version: int = 0
    """Version of the task's model that made it; 0 when no model did (the baseline answered, or an import)."""
    variant: str = "champion"
    """`champion`, `baseline` or `import`."""
    entity: str | None = None
    unit: str | None = None
    degraded: tuple[str, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome", omit_defaults=True):
    """What turned out to be true.

    Names its prediction by `prediction_id`, or by `entity` and the time `at` it refers to. `value` is 0 or 1
    for binary tasks, the class's index for multiclass ones, the number itself for regression.
    """

    id: str
    task: str
    value: float
    at: int
    """When the truth became known in the world, as the caller says; the moment of receipt if he does not."""
    received: int
    prediction_id: str | None = None
    entity: str | None = None


Event = Prediction | Outcome

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Event | list[Event]] = msgspec.msgpack.Decoder(Event | list[Event])


def encode(events: Event | Sequence[Event]) -> bytes:
    """One record: an event, or the events of one request, as MessagePack.

    >>> o = Outcome(id="a", task="t", value=1.0, at=1, received=2)
    >>> decode(encode(o)) == [o], decode(encode([o, o])) == [o, o]
    (True, True)
    """
    return _encoder.encode(events)


def decode(record: bytes) -> list[Event]:
    """The events in a record. Raises `msgspec.DecodeError` or `UnicodeDecodeError` when it has none."""
    found = _decoder.decode(record)
    return found if isinstance(found, list) else [found]
