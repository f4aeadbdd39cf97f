"""An online store in an LMDB environment: a memory-mapped tree."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tropism.core.errors import DiskFull, Fault, InvalidInput, NotReady, NotWritable
from tropism.core.plugins import require
from tropism.features.online.layout import STAMP
from tropism.features.online.store import OnlineStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_ROOM = 2**26
# LMDB tells of a write that the disk took only in part as EIO.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_LONGEST = 400
"""Bytes of a key that stand as they are: LMDB takes 511 in all."""
_PREFIX = 16


class LMDBOnlineStore(OnlineStore):
    """Shared by any number of processes on one machine, on a local disk. A write is there whole or not at all; a power
    cut may lose the last one. One process opens a folder once.

    The file grows by doubling what is mapped, and never shrinks.
    """

    def __init__(self, url: str, room: int = _ROOM) -> None:
        """`url`: `lmdb:///folder` or a plain path. `room`: bytes mapped at first, a multiple of the page size.

        Raises:
            NotWritable: the folder cannot be opened.
            MissingExtra: the package `lmdb` is not installed.
        """
        self._lmdb = require("lmdb", "lmdb")
        self._path = url.removeprefix("lmdb:///")
        # The map is only enlarged while no transaction of this process is open, so one runs at a time.
        self._lock = threading.Lock()
        self._prefixes: dict[str, bytes] = {}
        with self._translated():
            Path(self._path).mkdir(parents=True, exist_ok=True)
            self._env: Any = self._lmdb.open(self._path, map_size=room, metasync=False, max_readers=1024)
            self._env.reader_check()  # a process that was killed while it read would keep old pages for ever

    def write(self, view: str, keys: Sequence[str], rows: Sequence[bytes], keep: int | None = None) -> int:
        del keep  # rows are replaced in their place, so what is out of date costs no more than what is not
        places = self._places(view, keys)

        def put(transaction: Any) -> int:
            taken = 0
            for place, row in zip(places, rows, strict=True):
                old = transaction.get(place)
                if old is None or old[STAMP] <= row[STAMP]:
                    transaction.put(place, row)
                    taken += 1
            return taken

        taken: int = self._run(put, write=True)
        return taken

    def read(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> list[list[bytes | None]]:
        places = [self._places(view, keys) for view, keys in wanted]
        rows: list[list[bytes | None]] = self._run(
            lambda transaction: [list(map(transaction.get, some)) for some in places], write=False
        )
        return rows

    def delete_view(self, view: str) -> None:
        prefix = self._prefix(view)

        def delete(transaction: Any) -> None:
            with transaction.cursor() as cursor:
                more = cursor.set_range(prefix)
                while more and cursor.key().startswith(prefix):
                    more = cursor.delete()

        self._run(delete, write=True)

    def clear(self) -> None:
        self._run(lambda transaction: transaction.drop(self._env.open_db(txn=transaction), delete=False), write=True)

    def close(self) -> None:
        with self._lock:
            self._env.close()

    def _prefix(self, view: str) -> bytes:
        """Of a fixed length, so that no view's keys lie among another's."""
        prefix = self._prefixes.get(view)
        if prefix is None:
            prefix = self._prefixes[view] = hashlib.blake2b(view.encode(), digest_size=_PREFIX).digest()
        return prefix

    def _places(self, view: str, keys: Sequence[str]) -> list[bytes]:
        try:
            prefix = self._prefix(view)
            places = [prefix + key.encode() for key in keys]
        except UnicodeEncodeError as error:
            fault = Fault("keys", repr(error.object)[:80], "send text that UTF-8 can hold")
            raise InvalidInput("a key is not text", fault) from error
        if max(map(len, places), default=0) > _PREFIX + _LONGEST:
            return [_shortened(place) for place in places]
        return places

    def _run(self, work: Callable[[Any], Any], *, write: bool) -> Any:
        """One transaction. It is run again from its start with a larger map if this one is full."""
        with self._lock, self._translated():
            while True:
                try:
                    with self._env.begin(write=write) as transaction:
                        return work(transaction)
                except self._lmdb.MapFullError:
                    self._env.set_mapsize(2 * self._env.info()["map_size"])
                except self._lmdb.MapResizedError:
                    self._env.set_mapsize(0)  # another process enlarged it

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (self._lmdb.Error, OSError) as error:
            text = str(error)
            if any(os.strerror(code) in text for code in _FULL):
                fault = Fault("online", self._path, "free space on the disk of this folder, then try again")
                raise DiskFull(f"no room in the online store: {text}", fault) from error
            if isinstance(error, OSError | self._lmdb.ReadonlyError) or os.strerror(errno.EACCES) in text:
                fault = Fault("online", self._path, "make the folder writable by this user")
                raise NotWritable(f"the online store cannot be opened: {text}", fault) from error
            fix = "open it once in a process; if the files are damaged, delete the folder and materialise again"
            raise NotReady(f"the online store does not answer: {text}", Fault("online", self._path, fix)) from error


def _shortened(place: bytes) -> bytes:
    """A long key by its beginning and a digest; 0xff, which UTF-8 has not, keeps it apart from short ones."""
    if len(place) <= _PREFIX + _LONGEST:
        return place
    digest = hashlib.blake2b(place, digest_size=32).digest()
    return place[: _PREFIX + _LONGEST] + b"\xff" + digest
