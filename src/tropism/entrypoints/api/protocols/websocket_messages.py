"""The messages of a stream of predictions: a predict request each, with an `id` that comes back if there is one."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InputError, InvalidInput, RateLimited, TooLarge, TropismError
from tropism.core.faults import shown
from tropism.entrypoints.api.problems import internal, problem, status_of
from tropism.serving.predictions import live
from tropism.serving.replies import Replies, reply_of
from tropism.serving.requests import Limits, read_predict

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.entrypoints.api.protocols.base import Core

LONGEST_ID = 256
_fields: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What is sent back for a message. `usable`: nothing was wrong with the message itself."""

    text: bytes
    usable: bool


class Messages:
    """Answers messages for one task. For one event loop; any number of messages at once.

    `admit`: whether another message may be answered now.
    """

    def __init__(self, core: Core, task: str, admit: Callable[[], bool] = lambda: True) -> None:
        self._core = core
        self._task = task
        self._admit = admit
        tolerance = parse_duration(core.settings.future_tolerance, "http.future_tolerance")
        self._limits = Limits(core.settings.max_rows, tolerance)

    async def answer(self, message: bytes) -> Answer:
        """The reply to a message, sent only once it is durable; a problem document if it cannot be answered.

        Raises nothing.
        """
        name, started = b"", perf_counter()
        try:
            self._check_length(message)
            name, body = split(message)
            if not self._admit():
                fix = "wait a moment; send many rows in one message"
                raise RateLimited("too many messages from this caller", Fault("http.rate_limit", "used up", fix))
            return Answer(named(name, await self._predict(body, started)), True)
        except TropismError as error:
            self._core.predictions.failed(self._task, error.code, status_of(error))
            return Answer(named(name, msgspec.json.encode(problem(error))), not isinstance(error, InputError))
        except Exception:  # noqa: BLE001  a caller gets an answer whatever happens, without the traceback
            _log.error("a message for task '%s' failed", self._task, exc_info=True)
            ours = internal()
            self._core.predictions.failed(self._task, ours.code, status_of(ours))
            return Answer(named(name, msgspec.json.encode(problem(ours))), True)

    async def _predict(self, body: bytes, started: float) -> bytes:
        deployment = live(self._core.holder).deployment(self._task)
        asks, many = read_predict(body, deployment, self._core.clock.now(), self._limits)
        scored = await self._core.predictions.score(deployment, asks, started=started)
        rows = zip(scored.events, scored.notes, strict=True)
        replies = [reply_of(deployment.task, *row) for row in rows]
        return msgspec.json.encode(Replies(replies) if many else replies[0])

    def _check_length(self, message: bytes) -> None:
        most = self._core.settings.max_body_bytes
        if len(message) > most:
            fix = f"send at most {most} bytes (max_body_bytes); predict in batches"
            raise TooLarge("the message is too large", Fault("message", f"{len(message)} bytes", fix))


def split(message: bytes) -> tuple[bytes, bytes]:
    """The `id` of a message as JSON, empty if it has none, and the message without it.

    Raises:
        InvalidInput: the id is not a text or a whole number, or too long.

    >>> split(b'{"id": 7, "features": {"demand": 1.50}}')
    (b'7', b'{"features":{"demand": 1.50}}')
    >>> split(b'{"features": {}}')
    (b'', b'{"features": {}}')
    """
    try:
        fields = _fields.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b"", message  # whoever reads it says what is wrong with it
    found = fields.pop("id", None)
    if found is None:
        return b"", message
    value = _value(found)
    if isinstance(value, bool) or not isinstance(value, str | int) or len(found) > LONGEST_ID:
        fix = f"send a text or a whole number, of at most {LONGEST_ID} bytes"
        raise InvalidInput("'id' cannot be used", Fault("id", shown(value), fix))
    return bytes(found), msgspec.json.encode(fields)


def _value(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def named(name: bytes, content: bytes) -> bytes:
    """A JSON object with the `id` of its message put first.

    >>> named(b"7", b'{"prediction":true}')
    b'{"id":7,"prediction":true}'
    """
    return b'{"id":' + name + b"," + content[1:] if name else content
