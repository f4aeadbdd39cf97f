"""Reads the head of a plain request once, and knows it by its bytes from then on.

Clients send the same head with every request. One that was read before need not be parsed again: equal bytes mean
the same. Only heads whose meaning cannot be doubted are read here; all others are for the HTTP parser.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_START = re.compile(rb"POST /v1/tasks/([a-z0-9_-]{1,64})/predict HTTP/1\.1\r\n")
_LINE = re.compile(rb"([A-Za-z0-9-]+):([\x20-\x7e\t]*)\r\n")  # no two parts that fit the same: else O(n^2)
_PLAIN = (b"application/json", b"application/json; charset=utf-8", b"application/x-www-form-urlencoded")
_UNUSUAL = frozenset((b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te", b"content-encoding", b"origin"))
_MOST_HEADS = 4_096
_LONGEST = 2_048
"""Bytes of a head that is remembered."""
_LARGEST = 16_384
"""Bytes of a head that is read here at all."""


class Head(NamedTuple):
    """A request to predict: for which task, with how many bytes of body, and on whose account."""

    task: str
    length: int
    key: bytes


class Heads:
    """Heads of requests to predict that hold nothing unusual. `most`: largest body that is one.

    >>> heads = Heads(1_000)
    >>> heads.read(b"POST /v1/tasks/price/predict HTTP/1.1\\r\\nhost: here\\r\\ncontent-length: 12\\r\\n\\r\\n")
    Head(task='price', length=12, key=b'')
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[bytes, Head | None] = {}

    def read(self, head: bytes) -> Head | None:
        """What a head says, its last empty line included; None if the HTTP parser should see it."""
        try:
            return self._known[head]
        except KeyError:
            pass
        found = _read(head, self._most) if len(head) <= _LARGEST else None
        if len(head) <= _LONGEST:
            if len(self._known) >= _MOST_HEADS:
                self._known.clear()
            self._known[head] = found
        return found


def _read(head: bytes, most: int) -> Head | None:
    start = _START.match(head)
    if start is None:
        return None
    fields: dict[bytes, bytes] = {}
    position = start.end()
    while (line := _LINE.match(head, position)) is not None:
        name = line[1].lower()
        if name in fields or name in _UNUSUAL:
            return None
        fields[name] = line[2].lstrip(b" \t")  # the parser leaves what follows, too
        position = line.end()
    length = fields.get(b"content-length", b"")
    whole = position + 2 == len(head) and head.endswith(b"\r\n\r\n") and b"host" in fields
    if not whole or not length.isdigit() or len(length) > 10 or int(length) > most:
        return None
    if fields.get(b"content-type", _PLAIN[0]).lower() not in _PLAIN:
        return None
    if fields.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    if fields.get(b"accept", b"*/*").lower() not in (b"*/*", b"application/json"):
        return None
    if b"x-timeout-ms" in fields:
        return None
    return Head(start[1].decode(), int(length), fields.get(b"x-api-key") or fields.get(b"authorization", b""))
