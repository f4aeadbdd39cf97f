"""Errors as problem documents (RFC 9457), the only place where an error has an HTTP status."""

from __future__ import annotations

import msgspec

from tropism.core.errors import (
    Conflict,
    DataInvalid,
    DiskFull,
    Fault,
    InputError,
    InvalidInput,
    MalformedBody,
    MissingExtra,
    NotFound,
    NotReady,
    PolicyRefused,
    ProjectInvalid,
    RateLimited,
    SettingInvalid,
    TooLarge,
    TropismError,
)

MEDIA_TYPE = "application/problem+json"
DOCUMENTATION = "https://github.com/tropism-ml/tropism/blob/main/docs/errors.md"
RETRY_AFTER = 1
"""Seconds after which a caller who was turned away may come back."""

STATUSES: dict[type[TropismError], int] = {
    TropismError: 500,
    InputError: 400,
    MalformedBody: 400,
    PolicyRefused: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    InvalidInput: 422,
    DataInvalid: 422,
    ProjectInvalid: 422,
    SettingInvalid: 422,
    RateLimited: 429,
    MissingExtra: 501,
    NotReady: 503,
    DiskFull: 507,
}
"""The status of an error class and of the classes under it that are not listed themselves."""


class ProblemFault(msgspec.Struct, frozen=True):
    """One thing that is wrong: which field, what was there, and what to do about it."""

    field: str
    value: str
    fix: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A problem document. `code` is stable; `detail` and the faults are for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    faults: tuple[ProblemFault, ...] = ()


def status_of(error: TropismError) -> int:
    """The HTTP status of an error.

    >>> from tropism.core.errors import UnknownTask
    >>> status_of(UnknownTask("there is no task 'prise'"))
    404
    """
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def problem(error: TropismError, status: int | None = None) -> Problem:
    """The document that tells a caller of an error; `status` where it is not the usual one."""
    return Problem(
        type=f"{DOCUMENTATION}#{error.code}",
        title=error.code.replace("-", " ").capitalize(),
        status=status_of(error) if status is None else status,
        detail=error.message,
        code=error.code,
        faults=tuple(ProblemFault(fault.field, fault.value, fault.fix) for fault in error.faults),
    )


def problem_headers(status: int) -> dict[str, str]:
    """Headers that go with a problem of this status, its media type among them.

    >>> problem_headers(503)
    {'content-type': 'application/problem+json', 'retry-after': '1'}
    """
    headers = {"content-type": MEDIA_TYPE}
    if status in (429, 503):
        headers["retry-after"] = str(RETRY_AFTER)
    return headers


def internal() -> TropismError:
    """What a caller is told when we failed: nothing of how."""
    return TropismError("this is our fault, not the request's", Fault("", "", "see the server's log; then report it"))
