"""The client's calls for features as flows: what is sent, and what its reply means. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from tropism.core.errors import Fault, InvalidInput, TooLarge
from tropism.core.identity import Identifiers
from tropism.entrypoints.sdk.exchange import Request, decoded, exchange
from tropism.entrypoints.sdk.results import Computed, EntityFeatures, Pushed, RejectedEvent
from tropism.entrypoints.sdk.values import Moment, exact, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tropism.core.clock import Clock
    from tropism.entrypoints.sdk.exchange import Flow

_PLACE = re.compile(r"(?<=\[)\d+(?=\])")
# Decimals as numbers with all of their digits: the server reads them as such.
_encode = msgspec.json.Encoder(decimal_format="number").encode


class FeatureCalls:
    """Builds the flows of one client. `batch`: most events or rows of a request."""

    def __init__(self, retries: int, batch: int, clock: Clock) -> None:
        self._retries = retries
        self._batch = batch
        self._clock = clock
        self._identifiers = Identifiers()

    def push(self, stream: str, events: Iterable[Mapping[str, Any]], key: str | None) -> Flow[Pushed]:
        """Events, sent in batches. Their id is made here, so a repeated request counts once."""
        sent = [
            {name: exact(value, f"events[{index}].{name}") for name, value in event.items()}
            for index, event in enumerate(events)
        ]
        key = key or self._identifiers.new(self._clock.now(), 0)
        accepted, rejected = 0, list[RejectedEvent]()
        for start in range(0, len(sent), self._batch):
            part = sent[start : start + self._batch]
            found = yield from self._push(stream, part, start, key if len(part) == len(sent) else f"{key}:{start}")
            accepted += found.accepted
            rejected += found.rejected
        return Pushed(accepted, tuple(rejected))

    def _push(self, stream: str, events: list[dict[str, Any]], start: int, key: str) -> Flow[Pushed]:
        path = f"/v1/features/{quote(stream, safe='')}/events"
        request = Request("POST", path, _encode({"events": events, "id": key}))
        try:
            body = yield from exchange(request, self._retries)
        except InvalidInput as error:
            raise _moved(error, start) from error
        except TooLarge:  # the server takes less at a time than we thought
            if len(events) == 1:
                raise
            half = len(events) // 2
            first = yield from self._push(stream, events[:half], start, f"{key}.0")
            second = yield from self._push(stream, events[half:], start + half, f"{key}.1")
            return Pushed(first.accepted + second.accepted, (*first.rejected, *second.rejected))
        found = decoded(body, Pushed)
        return Pushed(found.accepted, tuple(one.moved(start) for one in found.rejected))

    def features(
        self, names: Sequence[str], rows: Iterable[Mapping[str, Any]], at: Moment | None
    ) -> Flow[list[EntityFeatures]]:
        """Features of each row, asked for in batches."""
        asked = [
            {name: exact(value, f"rows[{index}].{name}") for name, value in row.items()}
            for index, row in enumerate(rows)
        ]
        content = {"features": [names] if isinstance(names, str) else list(names)}
        found: list[EntityFeatures] = []
        for start in range(0, len(asked), self._batch):
            part = asked[start : start + self._batch]
            found += yield from self._compute(content if at is None else {**content, "at": moment(at)}, part, start)
        return found

    def _compute(
        self, content: dict[str, Any], rows: list[dict[str, Any]], start: int
    ) -> Flow[Sequence[EntityFeatures]]:
        request = Request("POST", "/api/v1/ml/features/compute", _encode({**content, "rows": rows}))
        try:
            body = yield from exchange(request, self._retries)
        except InvalidInput as error:
            raise _moved(error, start) from error
        except TooLarge:
            if len(rows) <= 1:
                raise
            half = len(rows) // 2
            first = yield from self._compute(content, rows[:half], start)
            second = yield from self._compute(content, rows[half:], start + half)
            return [*first, *second]
        return decoded(body, Computed).rows

    def feature_list(self) -> Flow[list[dict[str, Any]]]:
        """Every feature that is served."""
        body = yield from exchange(Request("GET", "/api/v1/ml/features"), self._retries)
        return decoded(body, list[dict[str, Any]])


def _moved(error: InvalidInput, by: int) -> InvalidInput:
    """The error of a batch, with places as they are in all that was given: `events[3]` is `events[1003]`."""
    faults = [
        Fault(_PLACE.sub(lambda found: str(int(found[0]) + by), one.field, count=1), one.value, one.fix)
        for one in error.faults
    ]
    return type(error)(error.message, *faults)
