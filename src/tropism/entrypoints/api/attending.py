"""What outlives a data plane's process: its number, its counts, and which model it was inside when it crashed."""

from __future__ import annotations

import logging
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tropism.core.errors import Fault, NotWritable
from tropism.serving.inside import Marks, last_crash
from tropism.serving.meter_files import MeterFiles
from tropism.serving.seat import Seat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tropism.wiring import Platform

_log = logging.getLogger(__name__)


class Attended(NamedTuple):
    """`files` keep the counts, `marks` tell which model is being called."""

    files: MeterFiles
    marks: Marks


@contextmanager
def attended(platform: Platform, wanted: int = 0) -> Iterator[Attended]:
    """Within it, this process is one of the project's data planes: number `wanted`, or the next that is free.

    The model in which the last process with that number crashed is put into quarantine before anything is loaded.

    Raises:
        NotWritable: the state folder cannot be written.
    """
    folder = machine_folder(platform.settings.folder)
    with ExitStack() as closing:
        try:
            seat = Seat(folder, wanted)
            closing.callback(seat.close)
            _look_back(platform, folder, seat.number)
            marks = Marks(folder, seat.number)
            closing.callback(marks.close)
            files = MeterFiles(folder, seat.number)
        except OSError as error:
            fault = Fault(str(folder), error.strerror or "", "make it writable, or choose another project folder")
            raise NotWritable(f"the state folder cannot be written: {error.strerror}", fault) from error
        files.start()
        closing.callback(files.close)
        yield Attended(files, marks)


def run_folder(state: Path) -> Path:
    """Where the processes of a project keep what is known of them while it is up."""
    return state / "run"


def machine_folder(state: Path) -> Path:
    """The part of it that is this machine's: whoever collects metrics asks each machine for its own."""
    return run_folder(state) / socket.gethostname()


def _look_back(platform: Platform, folder: Path, number: int) -> None:
    crash = last_crash(folder, number)
    if crash is None:
        return
    put = platform.quarantine(crash)
    for one in put:
        _log.error("%s crashed the data plane while %s: %s; it is in quarantine", one, crash.doing, crash.cause)
    if not put:
        _log.error("the data plane crashed outside of any model: %s", crash.cause)
    _log.error("where it crashed:\n%s", crash.report)
