"""Counts and binnings as compact bytes, the same for the same content.

Both kinds are an envelope (a mark, a version, whether deflated, a CRC-32 of all the rest) around a body. In it whole
numbers are LEB128: seven bits a byte, lowest first.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, Fault
from tropism.monitoring.counts.binning import Array, Binning

_COUNTS, _BINNINGS = b"C", b"B"
_VERSION = 1
_HEAD = struct.Struct("<cBBI")
_MOST_BYTES = 1 << 26
_LONGEST = 9  # bytes of the largest int64


def pack(counts: Mapping[str, Array]) -> bytes:
    """Counts of some columns, by name, as bytes; the columns in order of their names.

    Raises DataInvalid for counts below 0.

    >>> len(pack({"age": np.array([0, 12, 300, 1])}))
    18
    """
    names = sorted(counts)
    values = [np.asarray(counts[name], np.int64) for name in names]
    for name, one in zip(names, values, strict=True):
        if len(one) and one.min() < 0:
            raise DataInvalid("counts are never below 0", Fault(name, str(one.min()), "count again"))
    sizes = np.array([len(names), *(len(name.encode()) for name in names), *map(len, values)], np.int64)
    body = b"".join([_encoded(np.concatenate([sizes, *values])), *(name.encode() for name in names)])
    return _sealed(_COUNTS, body)


def unpack(data: bytes) -> dict[str, Array]:
    """What was packed, by name. Raises DataInvalid for damaged bytes and versions it does not know.

    >>> unpack(pack({"age": np.array([0, 12, 300, 1])}))
    {'age': array([  0,  12, 300,   1])}
    """
    body = _Body(_opened(_COUNTS, data), "counts")
    columns = body.number()
    lengths, sizes = body.numbers(columns), body.numbers(columns)
    values = np.split(body.numbers(body.total(sizes)), np.cumsum(sizes)[:-1]) if columns else []
    return dict(zip(body.texts(lengths), values, strict=True))


def pack_binnings(binnings: Mapping[str, Binning]) -> bytes:
    """Binnings by name as bytes, four for an edge; in order of their names."""
    names = sorted(binnings)
    chosen = [binnings[name] for name in names]
    texts = [text.encode() for text in [*names, *(name for one in chosen for name in one.names)]]
    numbers = [len(names), *(int(one.kind == "number") for one in chosen)]
    numbers += [len(one.edges) + len(one.names) for one in chosen] + [len(text) for text in texts]
    edges = np.array([edge for one in chosen for edge in one.edges], "<f4")
    return _sealed(_BINNINGS, b"".join([_encoded(np.array(numbers, np.int64)), *texts, edges.tobytes()]))


def unpack_binnings(data: bytes) -> dict[str, Binning]:
    """What was packed, by name. Raises DataInvalid for damaged bytes and versions it does not know.

    >>> binnings = {"age": Binning(kind="number", edges=(0.5, 18.0)), "hue": Binning(kind="category", names=("red",))}
    >>> unpack_binnings(pack_binnings(binnings)) == binnings
    True
    """
    body = _Body(_opened(_BINNINGS, data), "binnings")
    columns = body.number()
    is_number, sizes = body.numbers(columns) == 1, body.numbers(columns)
    lengths = body.numbers(columns + body.total(sizes[~is_number]))
    texts = iter(body.texts(lengths))
    names = [next(texts) for _ in range(columns)]
    edges = iter(body.singles(body.total(sizes[is_number])))
    found = {}
    for name, of_numbers, size in zip(names, is_number, sizes.tolist(), strict=True):
        if of_numbers:
            found[name] = Binning(kind="number", edges=tuple(next(edges) for _ in range(size)))
        else:
            found[name] = Binning(kind="category", names=tuple(next(texts) for _ in range(size)))
    return found


def merge(*rows: Mapping[str, Array]) -> dict[str, Array]:
    """The sum of counts from several minutes or replicas; a column that some lack is summed over the others.

    Raises DataInvalid for a column that was counted in different bins.

    >>> merge({"age": np.array([1, 2])}, {"age": np.array([0, 5]), "hue": np.array([7])})
    {'age': array([1, 7]), 'hue': array([7])}
    """
    total = dict[str, Array]()
    for row in rows:
        for name, counts in row.items():
            known = total.get(name)
            if known is not None and len(known) != len(counts):
                fault = Fault(name, f"{len(known)} and {len(counts)} bins", "merge counts of one reference")
                raise DataInvalid(f"'{name}' was counted in different bins", fault)
            total[name] = counts.copy() if known is None else known + counts
    return total


class _Body:
    """Reads a body from its start."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._what, self._at = data, what, 0

    def number(self) -> int:
        return int(self.numbers(1)[0])

    def numbers(self, many: int) -> Array:
        window = np.frombuffer(self._data, np.uint8, offset=self._at)[: many * _LONGEST]
        ends = np.flatnonzero(window < 0x80)[:many]
        if len(ends) < many:
            raise _damaged(self._what)
        if not many:
            return np.zeros(0, np.int64)
        self._at += int(ends[-1]) + 1
        return _decoded(window[: ends[-1] + 1], ends, self._what)

    def total(self, sizes: Array) -> int:
        if len(sizes) and sizes.max() > len(self._data):  # so that their sum cannot overflow either
            raise _damaged(self._what)
        return int(sizes.sum())

    def texts(self, lengths: Array) -> list[str]:
        self.total(lengths)
        bounds = (self._at + np.concatenate([[0], np.cumsum(lengths)])).tolist()
        if bounds[-1] > len(self._data):
            raise _damaged(self._what)
        self._at = bounds[-1]
        try:
            return [self._data[start:end].decode() for start, end in pairwise(bounds)]
        except UnicodeDecodeError as error:
            raise _damaged(self._what) from error

    def singles(self, many: int) -> list[float]:
        if len(self._data) - self._at != 4 * many:
            raise _damaged(self._what)
        found: list[float] = np.frombuffer(self._data, "<f4", offset=self._at).astype(np.float64).tolist()
        return found


def _encoded(values: Array) -> bytes:
    groups = values[:, None] >> (7 * np.arange(_LONGEST))
    used = groups > 0
    used[:, 0] = True
    more = np.zeros_like(used)
    more[:, :-1] = used[:, 1:]
    return ((groups & 0x7F) | (more << 7)).astype(np.uint8)[used].tobytes()


def _decoded(window: NDArray[np.uint8], ends: Array, what: str) -> Array:
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(window)) - np.repeat(starts, ends - starts + 1)
    if place.max() >= _LONGEST:
        raise _damaged(what)
    return np.add.reduceat((window & 0x7F).astype(np.int64) << (7 * place), starts)


def _sealed(mark: bytes, body: bytes) -> bytes:
    small = zlib.compress(body, 6)
    deflated = len(small) < len(body)
    body = small if deflated else body
    start = _HEAD.pack(mark, _VERSION, deflated, 0)[:3]
    return _HEAD.pack(mark, _VERSION, deflated, zlib.crc32(start + body)) + body


def _opened(mark: bytes, data: bytes) -> bytes:
    what = "counts" if mark == _COUNTS else "binnings"
    if len(data) < _HEAD.size or data[:1] != mark:
        raise _damaged(what)
    _, version, deflated, check = _HEAD.unpack_from(data)
    body = bytes(data[_HEAD.size :])
    if check != zlib.crc32(bytes(data[:3]) + body):
        raise _damaged(what)
    if version != _VERSION:
        fault = Fault("version", str(version), f"read them with a release that knows version {version}")
        raise DataInvalid(f"these {what} were packed by another release", fault)
    return _inflated(body, what) if deflated else body


def _inflated(body: bytes, what: str) -> bytes:
    reader = zlib.decompressobj()
    try:
        found = reader.decompress(body, _MOST_BYTES)
    except zlib.error as error:
        raise _damaged(what) from error
    if not reader.eof:
        raise _damaged(what)
    return found


def _damaged(what: str) -> DataInvalid:
    return DataInvalid(f"these bytes hold no {what}", Fault(what, "damaged bytes", "leave the row out; count again"))
