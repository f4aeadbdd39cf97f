"""Which model a process is inside, written where it can be read after the process died.

A model's native code can end the whole process. Before a model is called its name goes into a file that is mapped
into memory, and after it the name is taken out: two writes into memory, without a system call. When the process is
killed by its own fault (a bad address, an illegal instruction, an abort), `faulthandler` writes where it was into a
second file; when it is killed from outside (`kill -9`, out of memory) nothing does. Both together say which model
crashed, and that it was a crash.
"""

from __future__ import annotations

import faulthandler
import mmap
import re
import struct
import threading
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PLACE = struct.Struct("<IIQ")
"""Version (0: inside none), the task's tag, the thread."""
_VERSION = struct.Struct("<I")
_PLACES = ("scoring", "mirroring", "loading")
"""What may go on at once, each in a thread of its own."""
SIZE = _PLACE.size * len(_PLACES)
_FATAL = re.compile(r"^Fatal Python error: (.+)$", re.MULTILINE)
_THREAD = re.compile(r"^Current thread 0x([0-9a-f]+)", re.MULTILINE)
_LONGEST = 4_000


class Mark:
    """One place of the file. `enter` before a model is called, `leave` after it, also when it raised; not nested."""

    def __init__(self, memory: mmap.mmap, offset: int) -> None:
        write, thread = partial(_PLACE.pack_into, memory, offset), threading.get_ident

        def enter(tag: int, version: int) -> None:
            write(version, tag, thread())

        self.enter = enter
        self.leave: Callable[[], None] = partial(_VERSION.pack_into, memory, offset, 0)


class Crash(NamedTuple):
    """The end of a process: `cause` in a few words, `report` as `faulthandler` wrote it.

    `tag` and `version` name the model that it was inside, both 0 if it was inside none; `doing` is `scoring`,
    `mirroring` or `loading`.
    """

    cause: str
    report: str
    tag: int = 0
    version: int = 0
    doing: str = ""


class Marks:
    """Marks for `scoring`, `mirroring` and `loading`, in the files of worker `name`. Forgets the crash that they held.

    Turns `faulthandler` on for this process. Raises: OSError: the files cannot be written.
    """

    def __init__(self, folder: Path, name: int | str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with _marks(folder, name).open("wb") as file:
            file.write(bytes(SIZE))
        with _marks(folder, name).open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), SIZE)
        self._report = _report(folder, name).open("wb")
        faulthandler.enable(self._report)
        places = (Mark(self._memory, place * _PLACE.size) for place in range(len(_PLACES)))
        self.scoring, self.mirroring, self.loading = places

    def close(self) -> None:
        """Turns `faulthandler` off, and closes the file it wrote to. The marks may go on being called."""
        faulthandler.disable()
        self._report.close()


def last_crash(folder: Path, name: int | str) -> Crash | None:
    """How the last process with these files crashed; None if it did not, or was killed from outside."""
    try:
        report = _report(folder, name).read_text(errors="replace")
        marks = _marks(folder, name).read_bytes()
    except OSError:
        return None
    found = _FATAL.search(report)
    if found is None:
        return None
    cause = found[1]
    version, tag, doing = _blamed(marks, report) if len(marks) == SIZE else (0, 0, "")
    return Crash(cause, report[:_LONGEST], tag, version, doing)


def _blamed(marks: bytes, report: str) -> tuple[int, int, str]:
    """The place of the thread that crashed. A thread that Python does not know may have been started by any model
    that was being called; then one that was just being loaded, and so has never worked here, comes first.
    """
    places = [(*_PLACE.unpack_from(marks, place * _PLACE.size), doing) for place, doing in enumerate(_PLACES)]
    crashed = _THREAD.search(report)
    for version, tag, thread, doing in reversed(places):
        if version and (crashed is None or thread == int(crashed[1], 16)):
            return version, tag, doing
    return 0, 0, ""


def _marks(folder: Path, name: int | str) -> Path:
    return folder / f"inside-{name}"


def _report(folder: Path, name: int | str) -> Path:
    return folder / f"crash-{name}"
