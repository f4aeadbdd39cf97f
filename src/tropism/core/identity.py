"""Identifiers. A prediction id is a UUIDv7 (RFC 9562) that also names its task.

The first 48 bits are milliseconds, so ids sort by time and file statistics prune a look-up. The last 16 bits
are a tag of the task's name, so an outcome sent for a prediction of another task is refused at the edge,
without a look-up. The 58 bits between are random, drawn per process and counted up. And who is the same person.
"""

from __future__ import annotations

import hashlib
import os
import threading
import uuid
from unicodedata import normalize

_TAG_BITS = 16
_RANDOM_BITS = 58
_LOW = (1 << 32) - 1


def task_tag(task: str) -> int:
    """The 16-bit tag of a task's name.

    >>> task_tag("price") == task_tag("price")
    True
    """
    return int.from_bytes(hashlib.blake2b(task.encode(), digest_size=2).digest(), "big")


def compose(milliseconds: int, random: int, tag: int) -> str:
    """A UUIDv7 from its parts."""
    high, low = random >> 46, random & ((1 << 46) - 1)
    rest = 0b10 << 62 | low << _TAG_BITS | tag
    text = f"{milliseconds & ((1 << 48) - 1):012x}7{high:03x}{rest:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Identifiers:
    """Makes ids. Ids of one instance increase within a millisecond; instances of any process do not collide.

    >>> ids = Identifiers()
    >>> a, b = ids.new(1_700_000_000_000_000, 7), ids.new(1_700_000_000_000_000, 7)
    >>> a < b, tag_of(a), time_of(a)
    (True, 7, 1700000000000000)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._random = 0

    def new(self, at: int, tag: int = 0) -> str:
        """An id for the moment `at` (µs since the epoch) with the 16-bit `tag`."""
        return compose(max(at, 0) // 1_000, self._draw(1), tag)

    def several(self, at: int, tag: int, count: int) -> list[str]:
        """As many ids for one moment, in their order.

        >>> one, two = Identifiers().several(0, 7, 2)
        >>> is_id(one), one < two, tag_of(two)
        (True, True, 7)
        """
        first, milliseconds = self._draw(count), max(at, 0) // 1_000
        if count == 1 or (first & _LOW) + count > _LOW:  # the part that counts on would overflow
            return [compose(milliseconds, first + index, tag) for index in range(count)]
        start = compose(milliseconds, first, tag)[:24]
        counted = (0b10 << 62 | (first & _LOW) << _TAG_BITS | tag) & ((1 << 48) - 1)
        return ["%s%012x" % (start, counted + (index << _TAG_BITS)) for index in range(count)]  # noqa: UP031 - faster

    def _draw(self, count: int) -> int:
        """The first of `count` numbers in a row that nobody else has."""
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._random = int.from_bytes(os.urandom(8), "big") & ((1 << _RANDOM_BITS - 1) - 1)
            first = self._random + 1
            self._random += count
            return first


def is_id(text: str) -> bool:
    """Whether `text` is a UUIDv7 in its canonical lower-case form.

    >>> is_id(Identifiers().new(0)), is_id("42")
    (True, False)
    """
    try:
        value = uuid.UUID(text)
    except (ValueError, AttributeError, TypeError):
        return False
    return value.version == 7 and str(value) == text


def tag_of(identifier: str) -> int:
    """The tag that an id carries."""
    return int(identifier[-4:], 16)


def time_of(identifier: str) -> int:
    """When an id was made, µs since the epoch, to the millisecond."""
    return int(identifier[:8] + identifier[9:13], 16) * 1_000


def derived_id(at: int, text: str, tag: int = 0) -> str:
    """An id for the moment `at` that is the same whenever it is asked for with the same text.

    >>> derived_id(5_000, "cycle:promote") == derived_id(5_000, "cycle:promote")
    True
    """
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return compose(max(at, 0) // 1_000, int.from_bytes(digest, "big") >> (64 - _RANDOM_BITS), tag)


def person(actor: str) -> str:
    """One text for one person: names that differ in case, blanks or how Unicode spells them are not two.

    >>> person("Jos\u00e9  Lee ") == person("JOSE\u0301 LEE")
    True
    """
    return " ".join(normalize("NFKC", normalize("NFKC", actor).casefold()).split())
