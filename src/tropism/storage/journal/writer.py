"""Appends records to a slot of the journal."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from tropism.core.errors import Fault, InvalidInput, NotReady, TooLarge, TropismError
from tropism.storage.journal.framing import MAX_PAYLOAD, pack
from tropism.storage.journal.recovery import recover
from tropism.storage.journal.refusals import disk_full, refusal
from tropism.storage.journal.segments import HEADER_SIZE, pack_header, segment_path
from tropism.storage.journal.slots import take_slot
from tropism.storage.journal.syncing import GroupSync

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from tropism.storage.journal.settings import JournalSettings

# macOS has no fdatasync. What is needed to read the data back is flushed by either.
_flush_file = getattr(os, "fdatasync", os.fsync)
_LOOK_EVERY = 0.01
"""Seconds between two looks at the free space, which others use up too."""


class JournalWriter:
    """Holds one slot and appends to it. Any thread may append; the process must not fork afterwards.

    `append` is one write of the operating system, a few µs, so an event loop may call it. Once it has returned,
    the records survive a kill of this process; once `durable` has, with `fsync="group"`, they survive a power cut.
    """

    def __init__(self, root: Path, settings: JournalSettings, avoid: Collection[str] = ()) -> None:
        """Take the first free slot in `root` that is not one to `avoid`, and go on where its last writer stopped.

        Raises:
            NotWritable: the folder cannot be written.
            DiskFull: there is no room for the slot's folder.
        """
        self._settings = settings
        self._lock, self._at_disk = threading.Lock(), threading.Lock()
        self._failure: TropismError | None = None
        self._closed = False
        self._retired: list[int] = []
        self._new_entry = True
        self._descriptor = -1
        self._room, self._look_at = 0, 0.0
        try:
            self._folder, self._slot = take_slot(root, avoid)
        except OSError as error:
            raise refusal(error, root) from error
        try:
            tail = recover(self._folder)
            if tail.segment is not None:
                self._descriptor = os.open(tail.segment.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            _sync_folder(root)
        except OSError as error:
            os.close(self._slot)
            raise refusal(error, root) from error
        self.name = self._folder.name
        self.recovered = tail.recovered
        """What the last writer of the slot had left unfinished, and was removed."""
        self._seq, self._digest, self._size = tail.seq, tail.digest, tail.size
        # What was recovered may not have reached the disk yet.
        self._synced = 0
        self._sync = GroupSync(self._flush) if settings.fsync == "group" else None

    @property
    def head(self) -> int:
        """Sequence number of the last record; 0 before the first."""
        return self._seq

    def append(self, payloads: Sequence[bytes]) -> int:
        """Append records, all or none; the sequence number of the last.

        Raises:
            DiskFull: there is no room, or less than `reserve` is free. Nothing was written.
            NotReady: the disk failed, now or before, or the writer is closed.
            TooLarge: a record is larger than 1 GiB.
        """
        if payloads and max(map(len, payloads)) > MAX_PAYLOAD:
            fault = Fault("payloads", f"{max(map(len, payloads))} bytes", f"keep each record under {MAX_PAYLOAD}")
            raise TooLarge("a record is too large for the journal", fault)
        with self._lock:
            if self._failure is not None or self._closed:
                raise self._refused()
            if not payloads:
                return self._seq
            data, digest = pack(payloads, self._seq, self._digest)
            if not self._fits(len(data)):
                self._begin_segment()
            if len(data) > self._room or time.monotonic() >= self._look_at:
                self._check_space()
            try:
                self._write(data)
                self._size += len(data)
                self._room -= len(data)
                self._seq += len(payloads)
                self._digest = digest
            except TropismError:
                raise
            except BaseException:
                # Ctrl-C between the write and its book-keeping: a next append could not know where it stands.
                self._failure = NotReady(
                    "an append was interrupted", Fault("journal", str(self._folder), "restart the process")
                )
                raise
            return self._seq

    def flushing(self, seq: int) -> Future[None] | None:
        """A future that is done once record `seq` is as safe as `fsync` promises; None when it is already.

        Called on an event loop, which waits for the disk itself where that is quick, see `GroupSync`. The future has
        an error, `DiskFull` or `NotReady`, when the record could not be made safe. The writer takes nothing any more
        then: after a failed fsync nobody knows what is on the disk (Rebello et al., "Can Applications Recover from
        fsync Failures?", USENIX ATC 2020).

        Raises:
            DiskFull, NotReady: the writer takes nothing any more.
            InvalidInput: there is no such record yet.
        """
        if self._sync is None or seq <= self._synced:
            return None
        with self._lock:
            if self._failure is not None or self._closed:
                raise self._refused()
            if seq > self._seq:
                raise InvalidInput("this record was not appended", Fault("seq", str(seq), f"use at most {self._seq}"))
            if not self._sync.quick:
                return self._sync.request()
        self._sync.flush_now()
        return None

    async def durable(self, seq: int) -> None:
        """Return once record `seq` is as safe as `fsync` promises. Raises what `flushing` raises or its future has."""
        done = self.flushing(seq)
        if done is not None:
            await done

    def close(self) -> None:
        """Make everything durable, and let the slot go. Closing twice is fine."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._sync is not None:
            self._sync.close()
        with self._at_disk:
            for descriptor in (*self._retired, self._descriptor, self._slot):
                if descriptor >= 0:
                    os.close(descriptor)
            self._descriptor = -1

    def _refused(self) -> TropismError:
        if self._failure is not None:
            return type(self._failure)(self._failure.message, *self._failure.faults)
        return NotReady("the journal's writer is closed", Fault("journal", str(self._folder), "open a new one"))

    def _fits(self, more: int) -> bool:
        """Whether the segment takes as much more. A new one takes anything."""
        if self._descriptor < 0:
            return False
        return self._size == HEADER_SIZE or self._size + more <= self._settings.segment_bytes

    def _check_space(self) -> None:
        space = os.fstatvfs(self._descriptor)
        free = space.f_bavail * space.f_frsize
        if free < self._settings.reserve:
            raise disk_full(self._folder, f"{free} bytes are free, {self._settings.reserve} are kept in reserve")
        self._room = free - self._settings.reserve
        self._look_at = time.monotonic() + _LOOK_EVERY

    def _write(self, data: bytes) -> None:
        """Write all of `data`, or take back what was written of it."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self._take_back()
            raise refusal(error, self._folder) from error

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            # What is in the file is not known any more, so nothing may be written after it.
            self._failure = refusal(error, self._folder)

    def _begin_segment(self) -> None:
        path = segment_path(self._folder, self._seq + 1)
        header = pack_header(self._seq + 1, self._digest)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                if os.write(descriptor, header) < len(header):
                    os.ftruncate(descriptor, 0)
                    raise disk_full(self._folder, "a segment could not be begun")
            except BaseException:
                os.close(descriptor)
                path.unlink()
                raise
        except OSError as error:
            raise refusal(error, self._folder) from error
        former, self._descriptor, self._size, self._new_entry = self._descriptor, descriptor, HEADER_SIZE, True
        if self._sync is None:
            if former >= 0:
                os.close(former)
        elif former >= 0:
            self._retired.append(former)
            self._sync.nudge()

    def _flush(self) -> None:
        """Make everything appended so far durable, and appends go on meanwhile."""
        with self._at_disk:
            self._flush_alone()

    def _flush_alone(self) -> None:
        with self._lock:
            if self._failure is not None:
                raise self._refused()
            target, current, new_entry = self._seq, self._descriptor, self._new_entry
            retired, self._retired = self._retired, []
            self._new_entry = False
        try:
            for descriptor in retired:
                _flush_file(descriptor)
                os.close(descriptor)
            if current >= 0:
                _flush_file(current)
            if new_entry:
                _sync_folder(self._folder)
        except OSError as error:
            with self._lock:
                self._failure = refusal(error, self._folder)
            raise self._refused() from error
        self._synced = target


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
