"""How large a Parquet file is when its pages are decompressed, by the pages' own headers.

The sizes in a file's footer are what its writer claims; memory is taken by what each page's header says. So these
are read first, and here: some accessors of pyarrow's metadata end the process when the footer is damaged.
https://parquet.apache.org/docs/file-format/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tropism.core.errors import Fault, MalformedBody
from tropism.serving.tabular.thrift import CompactReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tropism.serving.tabular.thrift import Struct

MARK = b"PAR1"
# Fields of the footer, its row groups, their columns, and the columns' metadata.
_ROWS, _GROUPS = 3, 4
_COLUMNS, _GROUP_ROWS = 1, 3
_ELSEWHERE, _METADATA = 1, 3
_VALUES, _CHUNK_SIZE, _DATA_AT, _DICTIONARY_AT = 5, 7, 9, 11
# Fields of a page's header.
_SIZE, _PACKED, _DATA, _DATA_V2 = 2, 3, 5, 8
_ENCODING = {_DATA: 2, _DATA_V2: 4}
_PREFIXED = 7
"""DELTA_BYTE_ARRAY: each text begins with a part of the one before, so few bytes can stand for any number."""


class Extent(NamedTuple):
    """Rows of a file, as its footer says, and bytes of all its pages when they are decompressed."""

    rows: int
    size: int


def extent(body: bytes) -> Extent:
    """How large a whole file is.

    Raises:
        ValueError, IndexError, KeyError, TypeError: it is none.
        MalformedBody: a page's encoding could stand for any number of bytes.
    """
    data = memoryview(body)
    if len(data) < 12 or data[:4] != MARK or data[-4:] != MARK:
        raise ValueError("it does not begin and end as a Parquet file does")
    length = int.from_bytes(data[-8:-4], "little")
    if length > len(data) - 12:
        raise ValueError("its footer is cut off")
    footer = CompactReader(data[-8 - length : -8]).struct()
    rows = size = 0
    for group in footer[_GROUPS]:
        if group[_GROUP_ROWS] < 0:
            raise ValueError("a row group has no size")
        rows += group[_GROUP_ROWS]
        for chunk in group[_COLUMNS]:
            if _ELSEWHERE in chunk:
                raise ValueError("a column lies in another file")
            for header in _headers(data, chunk[_METADATA]):
                _refuse_prefixed(header)
                size += header[_SIZE]
    return Extent(max(rows, footer[_ROWS]), size)


def _headers(data: memoryview, chunk: Struct) -> Iterator[Struct]:
    """The header of each page of a column, in order; pages without any value are never read."""
    if chunk[_VALUES] <= 0:
        return
    start = chunk[_DATA_AT]
    if 0 < chunk.get(_DICTIONARY_AT, 0) < start:
        start = chunk[_DICTIONARY_AT]
    stop = start + chunk[_CHUNK_SIZE]
    if not 0 <= start <= stop <= len(data):
        raise ValueError("a column lies outside the file")
    while start < stop:
        reader = CompactReader(data[start:stop])
        header = reader.struct()
        if header[_SIZE] < 0 or header[_PACKED] < 0:
            raise ValueError("a page has no size")
        yield header
        start += reader.place + header[_PACKED]


def _refuse_prefixed(header: Struct) -> None:
    for field, encoding in _ENCODING.items():
        if isinstance(header.get(field), dict) and header[field].get(encoding) == _PREFIXED:
            raise MalformedBody(
                "the Parquet body has an encoding that is not taken from outside",
                Fault("body", "DELTA_BYTE_ARRAY", "write it with plain or dictionary encoding, as most writers do"),
            )
