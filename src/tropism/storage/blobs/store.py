"""A content-addressed store over any file system that `fsspec` knows."""

from __future__ import annotations

import hashlib
import re
import tempfile
import uuid
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from tropism.core.errors import ArtifactTampered, Fault, InvalidInput, MissingExtra, NotFound, SettingInvalid
from tropism.storage.blobs.incoming import Incoming
from tropism.storage.blobs.local import write_whole
from tropism.storage.blobs.places import DistantPlace, LocalPlace
from tropism.storage.blobs.refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIGEST = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = "temporary"
_PIECE = 1 << 20


class Blobs:
    """Bytes under their SHA-256, in `<first two digits>/<digest>`. Safe to use from several threads and processes.

    What `put` returned stays readable until it is deleted, and what `get` returns is what was put: a file that
    was changed is refused. On a local disk a blob is durable when `put` returns.

    >>> blobs = Blobs("memory://doctest-blobs")
    >>> digest = blobs.put(b"a model")
    >>> blobs.get(digest)
    b'a model'
    """

    def __init__(self, url: str) -> None:
        """`url`: a folder's path, or any `fsspec` URL such as `file:///var/models` or `s3://bucket/models`.

        Raises:
            SettingInvalid: it is no URL that `fsspec` knows.
            MissingExtra: the package for this kind of URL is not installed.
        """
        self._url = url
        try:
            self._fs, root = url_to_fs(url)
        except ImportError as error:
            fix = "pip install the package that the message names"
            raise MissingExtra(
                f"this place for artifacts needs a package: {error}", Fault("blobs.url", url, fix)
            ) from error
        except ValueError as error:
            fix = "use a folder's path, or an fsspec URL such as s3://bucket/models"
            raise SettingInvalid(f"artifacts cannot be kept there: {error}", Fault("blobs.url", url, fix)) from error
        self._root = str(root).rstrip("/")
        self._local = isinstance(self._fs, LocalFileSystem)

    def put(self, data: bytes) -> str:
        """Store `data`; its SHA-256 in hex. Storing the same again changes nothing, and heals a damaged copy.

        Raises:
            DiskFull: there is no room; nothing is left behind.
            NotWritable, NotReady: the store does not take it.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        temporary = self._temporary()
        try:
            if self._read(path) == data:
                return digest
            if self._local:
                write_whole(Path(path), Path(temporary), data)
            else:
                self._upload(path, temporary, data)
        except OSError as error:
            raise refusal(error, self._url) from error
        return digest

    def incoming(self) -> Incoming:
        """A blob that comes a piece at a time; see `Incoming`. What it holds in memory is one piece.

        Raises:
            DiskFull, NotWritable, NotReady: the store takes none.

        >>> with Blobs("memory://doctest-blobs").incoming() as incoming:
        ...     incoming.write(b"a ")
        ...     incoming.write(b"model")
        ...     incoming.keep()[:8]
        '97ff8a35'
        """
        if self._local:
            return Incoming(LocalPlace(self._url, self._temporary(), self._path))
        return Incoming(DistantPlace(self._url, self._temporary(), self._path, self._fs))

    def open(self, digest: str) -> IO[bytes]:
        """The content under `digest` as a file to read, once it is known to be what was put. Close it after use.

        From a store that is not on this machine it is brought to a temporary file first. It can be read to its end
        also after the blob is deleted.

        Raises:
            NotFound: there is none.
            ArtifactTampered: it is not what was put.
            DiskFull, NotReady, NotWritable: it cannot be brought here, or the store refuses.
        """
        path = self._path(digest)
        try:
            file = Path(path).open("rb") if self._local else self._fetched(path)  # noqa: SIM115 - the caller closes it
        except FileNotFoundError as error:
            raise _missing(digest) from error
        except OSError as error:
            raise refusal(error, self._url) from error
        try:
            found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
            if found != digest:
                raise _changed(digest, found, path)
            file.seek(0)
        except OSError as error:
            file.close()
            raise refusal(error, self._url) from error
        except BaseException:
            file.close()
            raise
        return file

    def get(self, digest: str) -> bytes:
        """The bytes stored under `digest`.

        Raises:
            NotFound: there are none.
            ArtifactTampered: they are not what was put.
            NotReady, NotWritable: the store does not answer, or refuses.
        """
        path = self._path(digest)
        try:
            data = self._read(path)
        except OSError as error:
            raise refusal(error, self._url) from error
        if data is None:
            raise _missing(digest)
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise _changed(digest, found, path)
        return data

    def exists(self, digest: str) -> bool:
        """Whether something is stored under `digest`; whether it is intact, only `get` tells."""
        self._fs.invalidate_cache()
        try:
            return bool(self._fs.isfile(self._path(digest)))
        except OSError as error:
            raise refusal(error, self._url) from error

    def delete(self, digest: str) -> None:
        """Remove what is stored under `digest`, if anything is."""
        try:
            self._fs.rm_file(self._path(digest))
        except FileNotFoundError:
            return
        except OSError as error:
            raise refusal(error, self._url) from error

    def digests(self) -> Iterator[str]:
        """Every digest stored, in order."""
        self._fs.invalidate_cache()
        try:
            paths = self._fs.find(self._root)
        except FileNotFoundError:
            return
        except OSError as error:
            raise refusal(error, self._url) from error
        names = (path.rsplit("/", 1)[-1] for path in paths if f"/{_TEMPORARY}/" not in path[len(self._root) :])
        yield from sorted(name for name in names if _DIGEST.fullmatch(name))

    def _path(self, digest: str) -> str:
        # A digest may come from outside, and must not become a path to somewhere else.
        if not _DIGEST.fullmatch(digest):
            raise InvalidInput(
                "this is no digest", Fault("digest", repr(digest), "use 64 hexadecimal digits, lower case")
            )
        return f"{self._root}/{digest[:2]}/{digest}"

    def _temporary(self) -> str:
        return f"{self._root}/{_TEMPORARY}/{uuid.uuid4().hex}"

    def _fetched(self, path: str) -> IO[bytes]:
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        try:
            with self._fs.open(path, "rb") as source:
                while piece := source.read(_PIECE):
                    file.write(piece)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def _read(self, path: str) -> bytes | None:
        try:
            data: Any = self._fs.cat_file(path)
        except FileNotFoundError:
            return None
        return bytes(data)

    def _upload(self, path: str, temporary: str, data: bytes) -> None:
        self._fs.makedirs(temporary.rsplit("/", 1)[0], exist_ok=True)
        self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        try:
            self._fs.pipe_file(temporary, data)
            self._fs.mv(temporary, path)
        except BaseException:
            if self._fs.exists(temporary):
                self._fs.rm_file(temporary)
            raise


def _missing(digest: str) -> NotFound:
    fix = "restore it from a backup of the artifacts, or train again"
    return NotFound(f"there is no artifact {digest}", Fault("digest", digest, fix))


def _changed(digest: str, found: str, path: str) -> ArtifactTampered:
    fix = f"restore {path} from a backup, or train again; its content now has the digest {found}"
    return ArtifactTampered(f"the artifact {digest} is not what was stored", Fault("digest", digest, fix))
