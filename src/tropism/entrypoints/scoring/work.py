"""The folder of a job under way, beside its output: what is done stays done when the run is cut short."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from tropism.core.errors import Conflict, DataInvalid, DiskFull, Fault, NotReady, NotWritable, TropismError
from tropism.entrypoints.scoring.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tropism.entrypoints.scoring.parts import ScoredPart

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Done(msgspec.Struct, frozen=True):
    """A part that is done, as its marker says. Sizes in bytes."""

    index: int
    first: int
    last: int
    rows: int
    bad: int
    share: float
    size: int
    refused: int
    records: int
    notes: dict[str, int]


class Work:
    """One job's folder, held by one process. A part is done when its marker is there, which is written last.

    Raises:
        Conflict: another process works on the same output.
        NotWritable, DiskFull: the folder cannot be made.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(f"{out.name}.parts")
        self._finished = False
        with self.writing():
            self._lock = self._hold()

    def _hold(self) -> int:
        """The descriptor that holds the folder until it is closed."""
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / "lock"
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                fix = "wait for it, or name another --out"
                raise Conflict("another run writes this output", Fault("--out", str(self.out), fix)) from None
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), path.stat()):
                    return lock
            os.close(lock)  # the run before this one has just ended, and taken its folder away

    def close(self) -> None:
        """Lets the folder go. One in which nothing was done is removed."""
        if not self._finished and not self.done():
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def plan(self) -> Plan | None:
        """The job that was begun here; None if there is none.

        Raises:
            DataInvalid: what is there cannot be read.
        """
        try:
            return msgspec.json.decode((self.folder / "job.json").read_bytes(), type=Plan)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError, TropismError) as error:
            fix = "begin anew with --restart"
            raise DataInvalid(
                "an unfinished run cannot be taken up", Fault(str(self.folder), str(error)[:200], fix)
            ) from error

    def begin(self, plan: Plan) -> None:
        """Begins a job, and forgets another."""
        with self.writing():
            for entry in self.folder.iterdir():
                if entry.name != "lock":
                    entry.unlink()
            self._write("job.json", msgspec.json.encode(plan))

    def done(self) -> dict[int, Done]:
        """Every part that is done, by its number. One whose files are not as they were written is not."""
        found = {}
        for marker in self.folder.glob("*.json"):
            if marker.name == "job.json":
                continue
            with suppress(msgspec.DecodeError, OSError):
                one = msgspec.json.decode(marker.read_bytes(), type=Done)
                sizes = {self.part: one.size, self.refused: one.refused, self.records: one.records}
                if all(path(one.index).stat().st_size == size for path, size in sizes.items() if size):
                    found[one.index] = one
        return found

    def commit(self, scored: ScoredPart) -> Done:
        """Keeps what became of a part."""
        records = msgspec.msgpack.encode(scored.records) if scored.records else b""
        done = Done(
            index=scored.index,
            first=scored.first,
            last=scored.last,
            rows=scored.rows,
            bad=scored.bad,
            share=scored.share,
            size=len(scored.output),
            refused=len(scored.refused),
            records=len(records),
            notes=scored.notes,
        )
        with self.writing():
            self._write(self.part(scored.index).name, scored.output)
            for path, data in ((self.refused, scored.refused), (self.records, records)):
                if data:
                    self._write(path(scored.index).name, data)
            self._write(f"{scored.index:08}.json", msgspec.json.encode(done))
        return done

    def unrecorded(self, done: Done) -> list[bytes]:
        """Records of a part that have not gone into the journal."""
        if not done.records or self._recorded(done.index).exists():
            return []
        return msgspec.msgpack.decode(self.records(done.index).read_bytes(), type=list[bytes])

    def mark_recorded(self, done: Done) -> None:
        """The journal has the records of a part."""
        with self.writing():
            self._write(self._recorded(done.index).name, b"")

    def part(self, index: int) -> Path:
        """The file with the results of a part."""
        return self.folder / f"{index:08}.part"

    def refused(self, index: int) -> Path:
        """The file with the rows of a part that could not be scored; there if there are any."""
        return self.folder / f"{index:08}.bad"

    def records(self, index: int) -> Path:
        """The file with a part's records for the journal; there if there are any."""
        return self.folder / f"{index:08}.records"

    def _recorded(self, index: int) -> Path:
        return self.folder / f"{index:08}.recorded"

    def publish(self, path: Path, write: Callable[[Path], None]) -> None:
        """Puts a file that `write` makes into its place, whole."""
        made = path.with_name(f".{path.name}.tmp")
        with self.writing():
            try:
                write(made)
                _sync(made)
                made.replace(path)
            finally:
                made.unlink(missing_ok=True)
            _sync(path.parent)

    def finish(self) -> None:
        """Removes the folder: the output is whole. Another run may begin one of its own at once."""
        self._finished = True
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turns a refusal of the disk into an error that says what to do."""
        try:
            yield
        except OSError as error:
            place = Fault("--out", str(self.out), "free space, then run the same command again: it goes on")
            if error.errno in _FULL:
                raise DiskFull("there is no room for the results", place) from error
            reason = error.strerror or str(error)
            if isinstance(error, PermissionError) or error.errno in (errno.EROFS, errno.ENOTDIR, errno.EEXIST):
                fault = Fault("--out", str(self.out), "name a place that this user may write to")
                raise NotWritable(f"the results cannot be written: {reason}", fault) from error
            raise NotReady(f"the results cannot be written: {reason}", place) from error

    def _write(self, name: str, data: bytes) -> None:
        """Writes a file so that it is whole or not there, also after a power cut."""
        temporary = self.folder / f"{name}.tmp"
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.folder / name)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
