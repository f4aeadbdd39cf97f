"""Compressed request bodies."""

from __future__ import annotations

import zlib

from tropism.core.errors import Fault, InputError, MalformedBody, TooLarge
from tropism.core.faults import shown

_CODINGS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
"""The window that zlib is to expect, which says the format too."""


def decompressed(body: bytes, coding: bytes | None, limit: int) -> bytes:
    """A body as it was before its sender compressed it: gzip, or zlib's format, which HTTP calls deflate.

    Raises:
        InputError: the coding is another.
        MalformedBody: the body is not of that coding.
        TooLarge: it becomes longer than `limit` bytes. No more than that is ever held.

    >>> decompressed(zlib.compress(b"a" * 9), b"deflate", 9)
    b'aaaaaaaaa'
    """
    coding = (coding or b"identity").strip().lower()
    if coding == b"identity":
        return body
    window = _CODINGS.get(coding)
    if window is None:
        fault = Fault("content-encoding", shown(coding.decode("latin-1")), "use gzip or deflate, or do not compress")
        raise InputError("the body is compressed in an unknown way", fault)
    reader = zlib.decompressobj(window)
    try:
        found = reader.decompress(body, limit + 1)
    except zlib.error as error:
        raise MalformedBody("the body cannot be decompressed", _fault(coding, str(error))) from error
    if len(found) > limit:
        fix = f"send at most {limit} bytes before compression (max_body_bytes); predict in batches"
        raise TooLarge("the body is too large", Fault("body", f"more than {limit} bytes", fix))
    if not reader.eof or reader.unused_data:
        reason = "something follows its end" if reader.eof else "it is cut off"
        raise MalformedBody("the body cannot be decompressed", _fault(coding, reason))
    return found


def _fault(coding: bytes, reason: str) -> Fault:
    return Fault("body", reason, f"send one whole {coding.decode()} stream")
