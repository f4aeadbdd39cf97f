"""Single values of many packed rows, as Python has them."""

from __future__ import annotations

import struct
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tropism.features.online.layout import HEAD, Layout
from tropism.features.online.scalars import decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Unpacking:
    """Takes some features out of rows of one layout, in an order of its own; of the other features it reads nothing.

    `places`: which of the layout's features, each once.

    >>> from tropism.features.online.packing import Packing
    >>> from tropism.features.types import dtype
    >>> packing = Packing([dtype("number"), dtype("text"), dtype("boolean")])
    >>> rows = [packing.pack(0, 0, [0.5, "a", True]), packing.pack(0, 0, [None, "b", False])]
    >>> [list(values) for values in Unpacking(Layout(packing.dtypes), (2, 0)).values(rows)]
    [[True, 0.5], [False, None]]
    """

    def __init__(self, layout: Layout, places: Sequence[int]) -> None:
        # Where a text begins is told by the lengths of all before it.
        texts = set(layout.texts) if set(places) & set(layout.texts) else set()
        held = [place for place in layout.order if place in places or place in texts]
        self._held = struct.Struct(_form(layout, held))
        spots = [held.index(place) for place in places]
        self._order = None if spots == list(range(len(held))) else _taker(spots)
        decoders = [(spot, decoder(layout.dtypes[place])) for spot, place in enumerate(held) if place not in texts]
        self._decoders = [(spot, decode) for spot, decode in decoders if decode]
        self._texts = [(spot, place in places) for spot, place in enumerate(held) if place in texts]
        self._tail = layout.size
        self._bits = slice(HEAD, HEAD + layout.bits)
        self._none = bytes(layout.bits)
        self._spots = {place: spot for spot, place in enumerate(places)}
        self._chosen = sum(1 << place for place in places)

    def values(self, rows: Sequence[bytes]) -> list[Sequence[Any]]:
        """For each row, which is sound, the values of the features in the order of `places`."""
        found: list[Sequence[Any]] = list(map(self._held.unpack_from, rows))
        if self._decoders or self._texts:
            found = list(map(self._decoded, found, rows))
        if self._order is not None:
            found = list(map(self._order, found))
        bits = self._bits
        masks = [row[bits] for row in rows]
        if masks.count(self._none) < len(masks):
            for index, mask in enumerate(masks):
                if mask != self._none:
                    found[index] = self._with_gaps(found[index], mask)
        return found

    def _decoded(self, held: Sequence[Any], row: bytes) -> list[Any]:
        values = list(held)
        for spot, decode in self._decoders:
            values[spot] = decode(values[spot])
        end = self._tail
        for spot, wanted in self._texts:
            start, end = end, end + values[spot]
            if wanted:
                values[spot] = row[start:end].decode()
        return values

    def _with_gaps(self, values: Sequence[Any], mask: bytes) -> list[Any]:
        gapped = list(values)
        nulls = int.from_bytes(mask, "little") & self._chosen
        while nulls:
            gapped[self._spots[(nulls & -nulls).bit_length() - 1]] = None
            nulls &= nulls - 1
        return gapped


def by_name(names: Sequence[str]) -> Callable[[Iterable[Sequence[Any]]], list[dict[str, Any]]]:
    """Turns rows of a value for each name into dictionaries.

    >>> by_name(["limit", "spend.count"])([(0.5, 3), [None, 4]])
    [{'limit': 0.5, 'spend.count': 3}, {'limit': None, 'spend.count': 4}]
    """
    made: Callable[[Iterable[Sequence[Any]]], list[dict[str, Any]]] = _display(len(names))(*names)
    return made


@cache
def _display(count: int) -> Callable[..., Any]:
    """Dictionaries of so many names, written out in code as `collections.namedtuple` does: a third faster than from
    `zip`, and that is most of what a read costs. The names are arguments, so none of them is ever part of the code."""
    keys = ", ".join(f"k{place}" for place in range(count))
    values = "".join(f"v{place}, " for place in range(count))
    pairs = ", ".join(f"k{place}: v{place}" for place in range(count))
    found: dict[str, Any] = {}
    exec(f"def display({keys}): return lambda rows: [{{{pairs}}} for {values}in rows]", found)
    display: Callable[..., Any] = found["display"]
    return display


def _form(layout: Layout, held: Sequence[int]) -> str:
    """Of the whole fixed part of a row, with nothing but the values held."""
    form, end = "<", 0
    for place in held:
        start = layout.offsets[place]
        form += f"{start - end}x{layout.codes[place]}"
        end = start + struct.calcsize("<" + layout.codes[place])
    return f"{form}{layout.size - end}x"


def _taker(spots: Sequence[int]) -> Callable[[Any], Any]:
    """Gives a sequence also of one."""
    return itemgetter(*spots) if len(spots) != 1 else itemgetter(slice(spots[0], spots[0] + 1))
