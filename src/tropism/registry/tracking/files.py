"""Files of runs: paths in the tables, contents among the blobs under their digests."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Protocol

import msgspec
from sqlalchemy import delete, select

from tropism.core.errors import Fault, NotFound
from tropism.registry.tracking.checks import invalid, require_path
from tropism.registry.tracking.rows import insert_new
from tropism.storage.tables.tracking_schema import tracking_files
from tropism.storage.tables.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Row, Select

    from tropism.storage.blobs import Incoming
    from tropism.storage.tables import Database

_table = tracking_files
_CHUNK = 1_000


class Contents(Protocol):
    """Where contents lie, under their digests."""

    def put(self, data: bytes) -> str: ...

    def get(self, digest: str) -> bytes: ...

    def incoming(self) -> Incoming: ...

    def open(self, digest: str) -> IO[bytes]: ...


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file or a folder. `name` is the last part of its path, `size` in bytes."""

    name: str
    folder: bool
    size: int


class Files:
    """A tree of files.

    Deleting a path leaves the content among the blobs: another path, or a model's version, may have the same.

    Raises (from each method):
        InvalidInput: a path leads elsewhere: it has `..`, a backslash or an empty part, perhaps encoded.
    """

    def __init__(self, db: Database, contents: Contents) -> None:
        self._db = db
        self._contents = contents

    def put(self, path: str, data: bytes, now: int) -> None:
        """Stores a file, in the place of one that is there. Its content is durable first, then its path.

        Raises:
            InvalidInput: there is a folder of that name, or a file where a folder would have to be.
            DiskFull, NotWritable: the content cannot be stored.
        """
        path = _file_path(path)
        self._record(path, self._contents.put(data), len(data), now)

    def receive(self, path: str) -> Incoming:
        """What takes in a file's content a piece at a time, for `keep`.

        Raises:
            InvalidInput: the path is that of a folder, or of none.
            DiskFull, NotWritable: nothing can be stored.
        """
        path = _file_path(path)
        with self._db.read() as connection:
            if _is_folder(connection, path):
                raise _folder(path)
        return self._contents.incoming()

    def keep(self, path: str, incoming: Incoming, now: int) -> None:
        """Stores what came in as a file. Raises as `put`."""
        path = _file_path(path)
        self._record(path, incoming.keep(), incoming.size, now)

    def get(self, path: str, most: int | None = None) -> bytes:
        """A file's content.

        Raises:
            NotFound: there is no such file.
            InvalidInput: it has more than `most` bytes; nothing of it was read.
            ArtifactTampered: the content is not what was stored.
        """
        found = self._file(path)
        if most is not None and found.size > most:
            raise invalid(path, f"{found.size:,} bytes", f"a file has at most {most:,}")
        return self._contents.get(found.digest)

    def open(self, path: str) -> IO[bytes]:
        """A file's content, to be read a piece at a time and then closed. Raises as `get`."""
        return self._contents.open(self._file(path).digest)

    def list(self, path: str = "") -> tuple[File, ...]:
        """What a folder holds, by name; nothing if there is none. Of a file, itself."""
        folder, name = _split(path := require_path(path))
        with self._db.read() as connection:
            rows = connection.execute(select(_table).where(_table.c.folder == path).order_by(_table.c.name)).all()
            if not rows and path:
                own = select(_table).where(_table.c.folder == folder, _table.c.name == name)
                rows = connection.execute(own.where(_table.c.digest.is_not(None))).all()
        return tuple(File(name=row.name, folder=row.digest is None, size=row.size) for row in rows)

    def tree(self, path: str = "") -> tuple[str, ...]:
        """The files in a folder and in those below it, by their paths from there."""
        path, found = require_path(path), list[str]()
        with self._db.read() as connection:
            for folders in _under(connection, path):
                inner = select(_table.c.folder, _table.c.name).where(_table.c.folder.in_(folders))
                rows = connection.execute(inner.where(_table.c.digest.is_not(None)))
                found += [f"{row.folder}/{row.name}".removeprefix(f"{path}/") for row in rows]
        return tuple(sorted(found, key=lambda one: one.split("/")))

    def delete(self, path: str) -> None:
        """Removes a file, or a folder and all in it; nothing if there is none."""
        path = require_path(path)
        if not path:
            raise invalid("path", path, "name a file or a folder")
        folder, name = _split(path)
        with self._db.begin() as connection:
            for folders in list(_under(connection, path)):
                connection.execute(delete(_table).where(_table.c.folder.in_(folders)))
            connection.execute(delete(_table).where(_table.c.folder == folder, _table.c.name == name))

    def _file(self, path: str) -> Row[Any]:
        """Its digest and size."""
        folder, name = _split(require_path(path))
        query: Select[Any] = select(_table.c.digest, _table.c.size).where(
            _table.c.folder == folder, _table.c.name == name
        )
        with self._db.read() as connection:
            row: Row[Any] | None = connection.execute(query.where(_table.c.digest.is_not(None))).first()
        if row is None:
            raise NotFound(f"there is no file '{path}'", Fault("path", repr(path), "list those there are"))
        return row

    def _record(self, path: str, digest: str, size: int, now: int) -> None:
        folder, name = _split(path)
        with self._db.begin() as connection:
            _make_folders(connection, folder, now)
            if _is_folder(connection, path):
                raise _folder(path)
            values = {"digest": digest, "size": size, "updated_at": now}
            upsert(connection, _table, {"folder": folder, "name": name, **values})


def _file_path(path: str) -> str:
    path = require_path(path)
    if not path:
        raise invalid("path", path, "name a file")
    return path


def _folder(path: str) -> Exception:
    return invalid("path", path, "use another name; this is a folder")


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _make_folders(connection: Connection, path: str, now: int) -> None:
    while path:
        folder, name = _split(path)
        values = {"folder": folder, "name": name, "digest": None, "size": 0, "updated_at": now}
        insert_new(connection, _table, [values])
        if not _is_folder(connection, path):
            raise invalid("path", path, "use another path; this is a file")
        path = folder


def _is_folder(connection: Connection, path: str) -> bool:
    folder, name = _split(path)
    row = connection.execute(select(_table.c.digest).where(_table.c.folder == folder, _table.c.name == name)).first()
    return row is not None and row.digest is None


def _under(connection: Connection, path: str) -> Iterator[list[str]]:
    """The folder and all folders in it, at any depth, some at a time."""
    level = [path]
    while level:
        below: list[str] = []
        for start in range(0, len(level), _CHUNK):
            some = level[start : start + _CHUNK]
            yield some
            inner = select(_table.c.folder, _table.c.name).where(_table.c.folder.in_(some), _table.c.digest.is_(None))
            below += [f"{row.folder}/{row.name}".lstrip("/") for row in connection.execute(inner)]
        level = below
