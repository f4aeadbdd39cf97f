"""One exchange with the server, retried where that is safe. No I/O: a client drives it.

A flow yields what to do next, a `Request` to send or a `Pause` to make, and is sent what came of it. Clients of
either colour drive the same flows, so nothing is written twice.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import NamedTuple, TypeVar

import msgspec

from tropism.core.errors import Fault, InputError, NotReady, SettingInvalid, TropismError

Result = TypeVar("Result")
_RETRIED = frozenset((429, 502, 503, 504))
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


class Request(NamedTuple):
    """What to send."""

    method: str
    path: str
    body: bytes | None = None


class Reply(NamedTuple):
    """What came back. `retry_after` is the header's seconds, if it was sent."""

    status: int
    body: bytes
    retry_after: str = ""


class Lost(NamedTuple):
    """Nothing came back: the connection failed, or timed out."""

    reason: str


class Pause(NamedTuple):
    """Time to wait, in seconds."""

    seconds: float


Step = Request | Pause
Event = Reply | Lost | None
Flow = Generator[Step, Event, Result]


class _SentFault(msgspec.Struct, frozen=True):
    field: str = ""
    value: str = ""
    fix: str = ""


class _SentProblem(msgspec.Struct, frozen=True):
    code: str
    detail: str = ""
    faults: tuple[_SentFault, ...] = ()


def exchange(request: Request, retries: int) -> Flow[bytes]:
    """The body of a successful reply. The request must be safe to repeat.

    Raises:
        TropismError: the error that the server named; `NotReady` if it cannot be reached.
    """
    for attempt in range(retries + 1):
        came = yield request
        if isinstance(came, Reply) and came.status < 300:
            return came.body
        error = _error(came)
        again = not isinstance(came, Reply) or came.status in _RETRIED
        if not again or attempt == retries:
            raise error
        yield Pause(_wait(attempt, came))
    raise AssertionError("unreachable")


def decoded(body: bytes, kind: type[Result]) -> Result:
    """A reply's body as a `kind`.

    Raises:
        SettingInvalid: whoever answered is not Tropism.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _stranger(body.decode("utf-8", "replace")) from error


def _error(came: Event) -> TropismError:
    if not isinstance(came, Reply):
        reason = came.reason if came is not None else "nothing was sent"
        fix = "start it with `tropism up`, or give the client its address: Client('http://host:8700')"
        return NotReady("Tropism cannot be reached", Fault("base_url", reason, fix))
    try:
        problem = msgspec.json.decode(came.body, type=_SentProblem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = f"{came.status}: {came.body[:200].decode('utf-8', 'replace')}"
        if came.status >= 500:
            return NotReady("the server failed", Fault("base_url", text, "try again; see the log of what is there"))
        return _stranger(text)
    faults = (Fault(one.field, one.value, one.fix) for one in problem.faults)
    return _CLASSES.get(problem.code, _fallback(came.status))(problem.detail, *faults)


def _fallback(status: int) -> type[TropismError]:
    """For a code that a newer server may have."""
    return InputError if status < 500 else TropismError


def _stranger(text: str) -> TropismError:
    fault = Fault("base_url", text[:200], "give the client the address of `tropism up`")
    return SettingInvalid("whoever answered is not Tropism", fault)


def _wait(attempt: int, came: Event) -> float:
    """Seconds: as long as the server asks, or twice as long with each attempt; spread, so that callers part."""
    told = came.retry_after if isinstance(came, Reply) else ""
    base = float(told) if told.isdigit() else _FIRST_PAUSE * 2**attempt
    return min(base, _LONGEST_PAUSE) * random.uniform(1.0, 1.5)


def _classes(kind: type[TropismError]) -> dict[str, type[TropismError]]:
    found = {kind.code: kind}
    for below in kind.__subclasses__():
        found.update(_classes(below))
    return found


_CLASSES = _classes(TropismError)
