"""Errors as gRPC statuses, the only place where an error has one. https://grpc.github.io/grpc/core/md_doc_statuscodes.html"""

from __future__ import annotations

from tropism.core.errors import (
    Conflict,
    DiskFull,
    InputError,
    MissingExtra,
    NotFound,
    NotReady,
    PolicyRefused,
    RateLimited,
    TropismError,
)
from tropism.entrypoints.api.protocols.open_inference_errors import sentence

_MOST_DETAILS = 1_000
"""Characters of a status's message: it travels in a header, which clients limit to 8 KiB."""

CODES: dict[type[TropismError], str] = {
    TropismError: "INTERNAL",
    InputError: "INVALID_ARGUMENT",
    PolicyRefused: "PERMISSION_DENIED",
    NotFound: "NOT_FOUND",
    Conflict: "ABORTED",
    RateLimited: "RESOURCE_EXHAUSTED",
    MissingExtra: "UNIMPLEMENTED",
    NotReady: "UNAVAILABLE",
    DiskFull: "RESOURCE_EXHAUSTED",
}
"""The status of an error class and of the classes under it that are not listed themselves."""


def code_of(error: TropismError) -> str:
    """The name of an error's status.

    >>> from tropism.core.errors import UnknownTask
    >>> code_of(UnknownTask("there is no task 'prise'"))
    'NOT_FOUND'
    """
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def details_of(error: TropismError) -> str:
    """A status's message, of a length that clients take."""
    text = sentence(error)
    return text if len(text) <= _MOST_DETAILS else f"{text[: _MOST_DETAILS - 3]}..."
