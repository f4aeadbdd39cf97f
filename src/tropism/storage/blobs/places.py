"""Where a blob waits until it is whole: a file on the store's own disk, or one of the store's, by `fsspec`."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tropism.storage.blobs.local import move_whole, open_new

if TYPE_CHECKING:
    from collections.abc import Callable


class LocalPlace:
    """A file in the folder of the blobs. `path`: where a digest's content lies."""

    def __init__(self, url: str, temporary: str, path: Callable[[str], str]) -> None:
        self.url = url
        self._temporary = Path(temporary)
        self._path = path

    def open(self) -> IO[bytes]:
        return open_new(self._temporary)

    def keep(self, file: IO[bytes], digest: str) -> None:
        move_whole(file, self._temporary, Path(self._path(digest)))

    def remove(self) -> None:
        self._temporary.unlink(missing_ok=True)


class DistantPlace:
    """A file of a file system `fs` of `fsspec`. `path`: where a digest's content lies."""

    def __init__(self, url: str, temporary: str, path: Callable[[str], str], fs: Any) -> None:
        self.url = url
        self._temporary = temporary
        self._path = path
        self._fs = fs

    def open(self) -> IO[bytes]:
        self._fs.makedirs(self._temporary.rsplit("/", 1)[0], exist_ok=True)
        found: IO[bytes] = self._fs.open(self._temporary, "wb")
        return found

    def keep(self, file: IO[bytes], digest: str) -> None:
        file.close()  # some stores take nothing before
        path = self._path(digest)
        self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        self._fs.mv(self._temporary, path)

    def remove(self) -> None:
        if self._fs.exists(self._temporary):
            self._fs.rm_file(self._temporary)
