"""A join done part by part, when its tables are too large for memory: rows and labels of one key share a part."""

from __future__ import annotations

import errno
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from tropism.core.errors import DiskFull, Fault, InvalidInput, NotWritable
from tropism.features.offline.columns import MOMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Join = Callable[[pa.Table, pa.Table], pa.Table]

_WORK_A_ROW = 96
"""Bytes of numbers that a join holds for each row and each label, beside the columns."""
_MOST_PARTS = 256
_CHUNK = 2**30
"""Bytes of text in a chunk, on average."""
# EFBIG is how a file-size limit (ulimit -f) says that no more fits.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def parts_needed(rows: pa.Table, labels: int, features: int, memory: int) -> int:
    """In how many parts a join fits into so many bytes, keys being spread evenly.

    Raises:
        InvalidInput: there are no bytes.

    >>> parts_needed(pa.table({"a": [1.0] * 1_000}), labels=1_000, features=1, memory=100_000)
    3
    """
    if memory <= 0:
        raise InvalidInput("the memory is not valid", Fault("memory", str(memory), "allow some bytes, such as 2 GiB"))
    size = int(rows.nbytes)
    a_row = max(size // max(len(rows), 1), 8 * features)
    needed = size + labels * a_row + _WORK_A_ROW * (len(rows) + labels)
    return max(1, min(-(-needed // memory), _MOST_PARTS))


def join_in_parts(
    sides: tuple[pa.Table, pa.Table], codes: tuple[Ints, Ints], join: Join, parts: int, work: Path | None
) -> pa.Table:
    """What `join(rows, labels)` gives, a row per label in their order, with one part of the keys at a time in memory.

    `sides`: rows and labels; `codes`: of their keys, negative for none; `join`: must not relate rows of different
    keys, nor depend on rows of keys that no label has. Files are written to a temporary folder in `work` (the
    system's without it), which is gone afterwards.

    Raises:
        DiskFull, NotWritable: `work` cannot be written.
    """
    parts = min(parts, int(codes[1].max(initial=0)) + 1)
    with _plainly(work), tempfile.TemporaryDirectory(dir=_made(work), prefix="training-set-") as name:
        folder = Path(name)
        places = [np.flatnonzero(np.maximum(codes[1], 0) % parts == part) for part in range(parts)]
        for part in range(parts):
            _write(folder / f"rows-{part}", sides[0].filter(pa.array((codes[0] >= 0) & (codes[0] % parts == part))))
            _write(folder / f"labels-{part}", sides[1].filter(pa.array(np.maximum(codes[1], 0) % parts == part)))
        names: list[str] = []
        for part in range(parts):
            joined = join(_read(folder / f"rows-{part}"), _read(folder / f"labels-{part}"))
            names = joined.column_names
            # A file for each column: from a file of several, all are loaded to read one.
            for number in range(len(names)):
                _write(folder / f"joined-{number}-{part}", joined.select([number]))
            for done in ("rows", "labels"):
                (folder / f"{done}-{part}").unlink()
        back = _inverse(np.concatenate(places))
        columns = [
            _put_back([folder / f"joined-{number}-{part}" for part in range(parts)], back)
            for number in range(len(names))
        ]
        return pa.table(columns, names=names)


def _inverse(places: Ints) -> pa.Array:
    back = np.empty(len(places), np.int64)
    back[places] = np.arange(len(places))
    return pa.array(back)


def _put_back(files: Sequence[Path], back: pa.Array) -> pa.ChunkedArray:
    """One column of the joined parts in the order of the labels."""
    column = pa.concat_tables([_read(file) for file in files]).column(0)
    for file in files:
        file.unlink()
    return gather(column, back)


class Scratch(threading.local):
    """Memory that a thread uses again for each column: new memory costs more than the copy into it."""

    numbers: Ints = np.zeros(0, np.int64)

    def joined(self, parts: Sequence[Ints]) -> Ints:
        """The parts in one array, which the next call overwrites."""
        if len(parts) == 1:
            return parts[0]
        size = sum(map(len, parts))
        if len(self.numbers) < size:
            self.numbers = np.empty(size, np.int64)
        return np.concatenate(parts, out=self.numbers[:size])


def gather(column: pa.ChunkedArray, places: pa.Array, scratch: Scratch | None = None) -> pa.ChunkedArray:
    """The column's values at places, null where a place is null."""
    kind = column.type
    if kind in (pa.float64(), pa.int64(), MOMENT) and len(column) and len(places):
        return pa.chunked_array([_gather_numbers(column, places, scratch or Scratch())])
    # Arrow's plain text reaches to 2 GiB a chunk, and values are found many times quicker in one chunk than in many.
    if pa.types.is_string(kind):
        column = column.cast(pa.large_string())
    whole = column.combine_chunks()
    size = whole.nbytes * len(places) // max(len(whole), 1)
    step = max(len(places) * _CHUNK // max(size, 1), 1) if pa.types.is_string(kind) else max(len(places), 1)
    taken = [whole.take(places.slice(start, step)).cast(kind) for start in range(0, len(places), step)]
    return pa.chunked_array(taken, kind)


def _gather_numbers(column: pa.ChunkedArray, places: pa.Array, scratch: Scratch) -> pa.Array:
    """`gather` of eight bytes each, where NumPy is several times quicker than Arrow; 0 where the result is null."""
    chunks = [chunk for chunk in column.chunks if len(chunk)]
    numbers, at = scratch.joined([_numbers(chunk) for chunk in chunks]), _numbers(places)
    taken = numbers.take(at, mode="clip")
    if not (column.null_count or places.null_count):
        return pa.Array.from_buffers(column.type, len(at), [None, pa.py_buffer(taken)])
    valid = _valid(places)
    if column.null_count:
        valid &= np.concatenate([_valid(chunk) for chunk in chunks]).take(at, mode="clip")
    taken *= valid
    bits = np.packbits(valid, bitorder="little")
    return pa.Array.from_buffers(column.type, len(at), [pa.py_buffer(bits), pa.py_buffer(taken)])


def _numbers(array: pa.Array) -> Ints:
    """What is in its memory, which for null is anything."""
    return np.frombuffer(array.buffers()[1], np.int64, array.offset + len(array))[array.offset :]


def _valid(array: pa.Array) -> npt.NDArray[np.uint8]:
    """1 where there is a value, 0 for null."""
    bits = array.buffers()[0]
    if bits is None:
        return np.ones(len(array), np.uint8)
    flags = np.unpackbits(np.frombuffer(bits, np.uint8), count=array.offset + len(array), bitorder="little")
    return flags[array.offset :]


def _write(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _read(path: Path) -> pa.Table:
    with pa.OSFile(str(path), "rb") as file:
        return ipc.open_file(file).read_all()


def _made(work: Path | None) -> Path | None:
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    return work


@contextmanager
def _plainly(work: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        folder = str(work or tempfile.gettempdir())
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            fix = "free space on its disk, or allow more memory, so that less is written there; then try again"
            raise DiskFull("no room for the training set's temporary files", Fault("work", folder, fix)) from error
        fix = "allow this user to write there, or name another folder"
        raise NotWritable(f"temporary files cannot be written: {reason}", Fault("work", folder, fix)) from error
