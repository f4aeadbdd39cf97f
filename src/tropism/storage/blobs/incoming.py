"""A blob that comes a piece at a time: hashed as it is written, and under its digest only once it is whole."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Protocol

from tropism.storage.blobs.refusals import refusal

if TYPE_CHECKING:
    from types import TracebackType


class Place(Protocol):
    """Where the pieces go, and what becomes of them. Each method raises `OSError`."""

    url: str

    def open(self) -> IO[bytes]:
        """A new file beside the blobs, under no digest."""

    def keep(self, file: IO[bytes], digest: str) -> None:
        """The whole file, moved to where its digest is looked for; closed or not."""

    def remove(self) -> None:
        """The file, closed, is taken away."""


class Incoming:
    """Bytes on their way into the store. A context: what was not kept when it ends leaves nothing behind.

    For one thread at a time. `size`: bytes written so far.
    """

    def __init__(self, place: Place) -> None:
        """Raises: DiskFull, NotWritable, NotReady."""
        self._place = place
        self._hash = hashlib.sha256()
        self._kept = False
        self.size = 0
        try:
            self._file = place.open()
        except OSError as error:
            raise refusal(error, place.url) from error

    def write(self, data: bytes | bytearray) -> None:
        """Add a piece.

        Raises:
            DiskFull: there is no room.
            NotWritable, NotReady: the store does not take it.
        """
        try:
            self._file.write(data)
        except OSError as error:
            raise refusal(error, self._place.url) from error
        self._hash.update(data)
        self.size += len(data)

    def keep(self) -> str:
        """Store what was written; its SHA-256 in hex. On a local disk it is durable then.

        Raises:
            DiskFull: there is no room.
            NotWritable, NotReady: the store does not take it.
        """
        digest = self._hash.hexdigest()
        try:
            self._place.keep(self._file, digest)
            self._file.close()
        except OSError as error:
            raise refusal(error, self._place.url) from error
        self._kept = True
        return digest

    def close(self) -> None:
        """Take away what was not kept."""
        with suppress(OSError):
            self._file.close()
        if not self._kept:
            with suppress(OSError):
                self._place.remove()

    def __enter__(self) -> Incoming:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
