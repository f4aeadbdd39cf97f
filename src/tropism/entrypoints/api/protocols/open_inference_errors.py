"""Errors in the form of the Open Inference Protocol and of KServe V1: one sentence, and a status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tropism.entrypoints.api.asgi import Reply
from tropism.entrypoints.api.problems import RETRY_AFTER, status_of

if TYPE_CHECKING:
    from tropism.core.errors import Fault, TropismError
    from tropism.entrypoints.api.asgi import Headers

_JSON = (b"content-type", b"application/json")


def sentence(error: TropismError) -> str:
    """An error in one line: what happened, then of each fault what to change.

    >>> from tropism.core.errors import Fault, UnknownTask
    >>> sentence(UnknownTask("there is no task 'prise'", Fault("task", "prise", "did you mean 'price'?")))
    "there is no task 'prise' (task is prise: did you mean 'price'?)"
    """
    if not error.faults:
        return error.message
    return f"{error.message} ({'; '.join(map(_told, error.faults))})"


def _told(fault: Fault) -> str:
    field = f"{fault.field} is {fault.value}" if fault.value else fault.field
    return f"{field}: {fault.fix}" if field else fault.fix


def error_reply(error: TropismError, status: int | None = None, headers: Headers | None = None) -> Reply:
    """An error as a reply. These protocols know no 422: what cannot be used is a 400.

    >>> from tropism.core.errors import InvalidInput
    >>> error_reply(InvalidInput("no rows")).status, error_reply(InvalidInput("no rows")).body
    (400, b'{"error":"no rows"}')
    """
    if status is None:
        status = status_of(error)
        status = 400 if status == 422 else status
    own = [_JSON, *(headers or [])]
    if status in (429, 503):
        own.append((b"retry-after", str(RETRY_AFTER).encode()))
    return Reply(status, msgspec.json.encode({"error": sentence(error)}), own, code=error.code)


def wrong_method(method: str, allowed: tuple[str, ...]) -> Reply:
    """What a caller of a path gets who uses a method that it does not take."""
    names = ", ".join(allowed)
    body = msgspec.json.encode({"error": f"{method} does not fit this path; use {names}"})
    return Reply(405, body, [_JSON, (b"allow", names.encode())])
