"""One packed row per entity and view."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from tropism.core.errors import DataInvalid, Fault, InvalidInput
from tropism.features.online.columns import packed_rows, row_columns
from tropism.features.online.layout import VERSION, Layout, head, times
from tropism.features.online.scalars import encoder, missing, zero
from tropism.features.online.unpacking import Unpacking

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tropism.features.types import Dtype


class Packing:
    """Packs and unpacks rows of features of these types, in this order. `layout.py` draws a row.

    Missing values stay missing; a number that is not one (NaN) is missing too.

    >>> from tropism.features.types import dtype
    >>> packing = Packing([dtype("number"), dtype("text")])
    >>> packing.unpack(packing.pack(1_000, 2_000, [0.5, None]))
    (1000, 2000, [0.5, None])
    """

    def __init__(self, dtypes: Sequence[Dtype]) -> None:
        self._layout = layout = Layout(dtypes)
        self.dtypes = layout.dtypes
        self._encoders = [(place, encoder(dtypes[place]), zero(dtypes[place])) for place in layout.order]
        self._every = Unpacking(layout, range(len(dtypes)))
        self._lengths = struct.Struct(f"<{len(layout.texts)}I")
        self._blank = self.pack(0, 0, [None] * len(dtypes))

    def pack(self, event: int, created: int, values: Sequence[Any]) -> bytes:
        """A row of one entity. `event`, `created`: µs since the epoch.

        Raises:
            InvalidInput: a value is not of its type or has no place there, or there are too many or too few of them.
        """
        layout, nulls, texts = self._layout, 0, []
        if len(values) != len(self.dtypes):
            fault = Fault("values", f"{len(values)} values", f"send {len(self.dtypes)}, one for each feature")
            raise InvalidInput("the row does not fit the features", fault)
        held = []
        for place, encode, none in self._encoders:
            value = values[place]
            if missing(value):
                nulls |= 1 << place
                found = none
            else:
                found = self._encoded(place, value, encode)
            if place in layout.texts:
                texts.append(found)
                found = len(found)
            held.append(found)
        bits = nulls.to_bytes(layout.bits, "little")
        return b"".join((head(event, created), bits, layout.values.pack(*held), *texts))

    def _encoded(self, place: int, value: Any, encode: Any) -> Any:
        try:
            if self.dtypes[place].fits(value):
                return encode(value)
            reason = "it is of another type"
        except (ValueError, ArithmeticError) as error:
            reason = str(error)[:80]
        one = self.dtypes[place]
        form = {"decimal": f"decimal({one.scale})", "vector": f"vector({one.size})"}.get(one.kind, one.kind)
        fault = Fault(f"values[{place}]", repr(value)[:80], f"send a value of the type {form}")
        raise InvalidInput(f"a value does not fit its feature: {reason}", fault)

    def unpack(self, row: bytes) -> tuple[int, int, list[Any]]:
        """Event time, created time and values of a row; the values as `Column.to_pylist` of Arrow gives them.

        Raises:
            DataInvalid: the row is of another layout or of other types.
        """
        self._checked([row])
        event, created = times(row)
        return event, created, list(self._every.values([row])[0])

    def unpacking(self, places: Sequence[int]) -> Unpacking:
        """Takes these features, in this order, out of rows that are `sound`."""
        return Unpacking(self._layout, places)

    def sound(self, rows: Sequence[bytes]) -> bool:
        """Whether all rows are of this layout's version and length."""
        layout = self._layout
        if not layout.texts:
            return set(map(len, rows)) <= {layout.size} and {row[0] for row in rows} <= {VERSION}
        return all(map(self._whole, rows))

    def _whole(self, row: bytes) -> bool:
        layout = self._layout
        if len(row) < layout.size or row[0] != VERSION:
            return False
        lengths = self._lengths.unpack_from(row, layout.offsets[layout.texts[0]])
        if len(row) != layout.size + sum(lengths):
            return False
        try:
            row[layout.size :].decode()
        except UnicodeDecodeError:
            return False
        return True

    def _checked(self, rows: Sequence[bytes]) -> None:
        if not self.sound(rows):
            fault = Fault("row", "of another layout", "materialise the view again")
            raise DataInvalid("a stored row does not fit the types of its view", fault)

    def pack_table(self, table: pa.Table, events: npt.NDArray[np.int64], created: npt.NDArray[np.int64]) -> list[bytes]:
        """Rows from a table whose columns are the features, in order, under any names. `events`, `created`: µs, (n,).

        Raises:
            DataInvalid: a column cannot be turned into its feature's type; it is named.
        """
        return packed_rows(self._layout, table, events, created)

    def unpack_columns(self, rows: Sequence[bytes | None], places: Sequence[int] | None = None) -> list[pa.Array]:
        """The features of rows as Arrow arrays of `Dtype.arrow()`; a row that is None gives nulls. `places`: which.

        Raises:
            DataInvalid: a row is of another layout or of other types.
        """
        self._checked([row for row in rows if row is not None])
        return self.columns(rows, range(len(self.dtypes)) if places is None else places)

    def columns(self, rows: Sequence[bytes | None], places: Sequence[int]) -> list[pa.Array]:
        """As `unpack_columns`, of rows that are `sound` or None."""
        filled = [self._blank if row is None else row for row in rows]
        return row_columns(self._layout, filled, places)
