"""Bodies by their media types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import Fault, InputError
from tropism.serving.tabular.arrow import ArrowFileCodec, ArrowStreamCodec
from tropism.serving.tabular.base import oversized
from tropism.serving.tabular.csv import CsvCodec
from tropism.serving.tabular.json_lines import JsonLinesCodec
from tropism.serving.tabular.parquet import ParquetCodec

if TYPE_CHECKING:
    import pyarrow as pa

    from tropism.core.task import Task
    from tropism.serving.tabular.base import Codec, Limits

_CODECS: tuple[Codec, ...] = (CsvCodec(), JsonLinesCodec(), ParquetCodec(), ArrowStreamCodec(), ArrowFileCodec())
MEDIA_TYPES: dict[str, Codec] = {name: one for one in _CODECS for name in one.media_types}
"""Every media type that is known, and what reads and writes it."""


def codec(media_type: str) -> Codec:
    """What reads and writes a media type; its parameters do not count.

    Raises:
        InputError: it is not known.

    >>> codec("Text/CSV; charset=utf-8").media_types[0]
    'text/csv'
    """
    found = MEDIA_TYPES.get(media_type.partition(";")[0].strip().lower())
    if found is None:
        known = ", ".join(one.media_types[0] for one in _CODECS)
        fault = Fault("content-type", media_type[:80], f"use one of: {known}")
        raise InputError("tables are not read or written in this format", fault)
    return found


def decode(body: bytes, media_type: str, task: Task, limits: Limits) -> pa.Table:
    """The checked rows of a body. What comes out, and what is raised: `base.Codec.decode`."""
    found = codec(media_type)
    if len(body) > limits.size:
        raise oversized(len(body), limits)
    return found.decode(body, task, limits)


def encode(table: pa.Table, media_type: str) -> bytes:
    """A table as a body. Raises `InputError` for a media type that is not known."""
    return codec(media_type).encode(table)
