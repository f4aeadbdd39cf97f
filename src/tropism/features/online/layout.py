"""Where each value lies in a packed row.

A row is, without gaps and with the lowest byte first unless said otherwise:

    1 byte      version of the layout
    8 + 8       event time and created time, µs + 2**63, highest byte first: rows of one version sort by them
    ⌈n / 8⌉     a bit per feature, the lowest bit first: set where the value is missing (its bytes are then zero)
    8 each      numbers (IEEE 754), whole numbers, moments (µs)
    16 each     decimals: the value without its point, in two's complement
    4·size      vectors, single precision
    1 each      truth
    4 each      lengths of texts in bytes, and after them the texts in UTF-8, in the order of the features

Inside each group the features keep their order.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tropism.core.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.features.types import Dtype

VERSION = 1
STAMP = slice(1, 17)
"""The part of a row that tells which of two is newer: the one whose bytes here are larger."""
HEAD = 17
_BIAS = 2**63
_HEAD = struct.Struct(">BQQ")
_GROUPS = (("number", "integer", "time"), ("decimal",), ("vector",), ("boolean",), ("text",))
_CODES = {"number": "d", "integer": "q", "time": "q", "decimal": "16s", "boolean": "?", "text": "I"}


def head(event: int, created: int) -> bytes:
    """The first bytes of a row, from its two times in µs.

    Raises:
        InvalidInput: a time is out of 64 bits.

    >>> head(-1, 0) < head(0, -5) < head(0, 7)
    True
    """
    try:
        return _HEAD.pack(VERSION, event + _BIAS, created + _BIAS)
    except struct.error:
        fault = Fault("event", f"{event}, {created}"[:80], "send times in microseconds since 1970")
        raise InvalidInput("a time is out of reach", fault) from None


def times(row: bytes) -> tuple[int, int]:
    """Event time and created time of a row in µs."""
    _, event, created = _HEAD.unpack_from(row)
    return event - _BIAS, created - _BIAS


class Layout:
    """The places of the values of one tuple of types.

    >>> from tropism.features.types import dtype
    >>> layout = Layout([dtype("boolean"), dtype("number"), dtype("text")])
    >>> layout.order, layout.offsets, layout.size
    ((1, 0, 2), (26, 18, 27), 31)
    """

    def __init__(self, dtypes: Sequence[Dtype]) -> None:
        self.dtypes = tuple(dtypes)
        self.types = tuple(dtype.arrow() for dtype in self.dtypes)
        kinds = [dtype.kind for dtype in self.dtypes]
        groups = [tuple(place for place, kind in enumerate(kinds) if kind in group) for group in _GROUPS]
        self.wide, self.texts = groups[0], groups[-1]
        self.order = tuple(place for group in groups for place in group)
        """The features in the order in which they lie."""
        self.bits = -(-len(self.dtypes) // 8)
        self.codes = tuple(f"{4 * one.size}s" if one.kind == "vector" else _CODES[one.kind] for one in self.dtypes)
        """What `struct` calls the features."""
        self.values = struct.Struct("<" + "".join(self.codes[place] for place in self.order))
        offsets = [0] * len(self.codes)
        end = HEAD + self.bits
        for place in self.order:
            offsets[place] = end
            end += struct.calcsize("<" + self.codes[place])
        self.offsets = tuple(offsets)
        self.size = end
        """Bytes of a row without the texts themselves."""
