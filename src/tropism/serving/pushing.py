"""Accepts events that are pushed into a stream: one or many, durable before the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import Fault, InvalidInput, NotFound, TooLarge
from tropism.core.events import Push
from tropism.core.faults import Faults, one_of, shown
from tropism.features.streams.exact import exact_json
from tropism.features.streams.reading import RejectedEvent
from tropism.serving.fields import Fields
from tropism.serving.parsing import parse
from tropism.serving.predictions import live

if TYPE_CHECKING:
    from tropism.features.streams.reading import EventReader
    from tropism.serving.parts import Parts
    from tropism.serving.snapshot import Snapshot

FIELDS = ("events", "id")
MOST_ID = 128
"""Most characters of the id of a push."""
_FORM = 'send {"events": [{...}, ...]}, a list of events, or one event'


class Pushed(msgspec.Struct, frozen=True):
    """How many events were recorded, and those that rules kept out, by their index in what was sent."""

    accepted: int
    rejected: list[RejectedEvent]


class Pushes:
    """Accepts events for any stream. For one event loop.

    What rules reject is left out and told; anything else that is wrong with an event refuses all of them.
    """

    def __init__(self, parts: Parts) -> None:
        self._holder = parts.holder
        self._recorder = parts.recorder
        self._clock = parts.clock
        self._limits = parts.limits()
        self._meters = parts.meters

    async def accept(self, source: str, body: bytes) -> bytes:
        """The reply to a request, as JSON.

        Raises:
            NotFound, MalformedBody, InvalidInput, TooLarge: names everything that cannot be used; nothing was recorded.
            SettingInvalid, MissingExtra: a rule of the stream cannot be applied here; nothing was recorded.
            NotReady, DiskFull: nothing was recorded; the caller may try again.
        """
        reader = _stream(live(self._holder), source)
        content = parse(body)
        if reader.exact:
            content = exact_json.decode(body)
        events, identifier, where = _contents(content, self._limits.rows)
        now = self._clock.now()
        rows, failures, rejected = reader.read(events, now, self._limits.tolerance, where)
        push = Push(source=source, received=now, names=reader.names, rows=rows, id=identifier or "", failures=failures)
        await self._recorder.record([push])
        for result, count in (("accepted", len(rows)), ("rejected", len(rejected))):
            if count:
                self._meters.events.add(source, result, by=count)
        return msgspec.json.encode(Pushed(len(rows), rejected))


def _stream(snapshot: Snapshot, name: str) -> EventReader:
    found = snapshot.streams.get(name)
    if found is not None:
        return found
    otherwise = "declare a StreamSource in a feature view of project.py and run `tropism features apply`"
    fix = one_of(name, snapshot.streams, "streams", otherwise)
    raise NotFound(f"there is no stream '{name[:100]}'", Fault("source", name[:100], fix))


def _contents(content: Any, most: int) -> tuple[list[Any], str | None, str]:
    """The events in a body, the id of the push if it has one, and what holds the events, for errors."""
    identifier, where = None, ""
    if isinstance(content, dict):
        where = "events"
        if "events" in content:
            faults = Faults()
            fields = Fields(content, "", faults, InvalidInput)
            fields.only(FIELDS)
            identifier = _identifier(fields)
            faults.check()
            content = content["events"]
        else:
            content = [content]
    if not isinstance(content, list) or not content:
        raise InvalidInput("the body has no event", Fault(where or "body", shown(content), _FORM))
    if len(content) > most:
        fix = f"send at most {most} at a time (max_rows)"
        raise TooLarge(f"{len(content)} events are too many", Fault("events", str(len(content)), fix))
    return content, identifier, where


def _identifier(fields: Fields) -> str | None:
    value = fields.element.get("id")
    if value is None or (isinstance(value, str) and 0 < len(value) <= MOST_ID):
        return value
    fields.refuse("id", "the id of the push cannot be used", f"send 1 to {MOST_ID} characters, or leave it out")
    return None
