"""Entry of one process of a project: `python -m tropism.entrypoints.process NAME SETTINGS LIFELINE [LISTENER]`.

The settings come as JSON, as the supervisor composed them; `-` reads them from the standard input, as they may hold
passwords and anybody on a machine sees the words of a command. The lifeline is a pipe that closes when the supervisor
ends; a process whose supervisor is gone stops too. The listener is the socket that data planes share. Both are file
descriptors. Where there are several data planes their names end in their numbers, from 1 on; the name of a consumer
ends in that of its stream.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

import msgspec

from tropism.core.errors import SetupError
from tropism.entrypoints.supervisor import CONSUMER, DATA_PLANE, SETUP_FAILED

if TYPE_CHECKING:
    from tropism.config import Settings


def _watch(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _data_plane(settings: Settings, listener: int | None, number: int) -> None:
    from tropism.entrypoints.api.run import run_data_plane

    run_data_plane(settings, None if listener is None else socket.socket(fileno=listener), number)


def _control_plane(settings: Settings) -> None:
    from tropism.entrypoints.api.run import run_control_plane

    run_control_plane(settings)


def _worker(settings: Settings) -> None:
    from tropism.entrypoints.logs import log_to_stderr
    from tropism.wiring import run_worker

    log_to_stderr(settings.logs, "worker")
    run_worker(settings)


def _consumer(settings: Settings, source: str) -> None:
    from tropism.entrypoints.streams.consumers import run_consumer

    run_consumer(settings, source)


_PROCESSES = {"control-plane": _control_plane, "worker": _worker}


def main(name: str, given: str, lifeline: int, listener: int | None = None) -> int:
    """Runs a process; its exit status."""
    threading.Thread(target=_watch, args=(lifeline,), daemon=True).start()
    from tropism.config import Settings

    settings = msgspec.json.decode(sys.stdin.read() if given == "-" else given, type=Settings)
    try:
        if name.startswith(DATA_PLANE):
            _data_plane(settings, listener, int(name.removeprefix(DATA_PLANE)[1:] or 1) - 1)
        elif name.startswith(CONSUMER):
            _consumer(settings, name.removeprefix(CONSUMER)[1:])
        else:
            _PROCESSES[name](settings)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return SETUP_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
