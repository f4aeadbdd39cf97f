"""Runs a training job in a process of its own, with limits, progress and cancellation.

The parent writes a request file and reads lines of JSON: `{"progress": 0.4, "message": "..."}` while it runs,
then `{"result": ...}` or `{"error": ...}`. A job that dies leaves nothing behind but blobs nobody points to.
"""

from __future__ import annotations

import errno
import os
import resource
import selectors
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from tropism.core.clock import SECOND
from tropism.core.errors import DiskFull, Fault, TrainingFailed, TropismError
from tropism.training.request import TrainingRequest, TrainingResult

if TYPE_CHECKING:
    from collections.abc import Callable


_LAST_MOMENTS = 10.0


class Cancelled(TrainingFailed):
    """The job was stopped because somebody asked for it."""


def run_training(
    request: TrainingRequest,
    folder: Path,
    on_progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
) -> TrainingResult:
    """Run a job in a subprocess; its request and log go into `folder`.

    Raises:
        TrainingFailed: it ended with an error, died, or ran past its time limit.
        DiskFull: there was no room for its artifact.
        Cancelled: `cancelled()` became true; it is asked about four times a second.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asked = folder / "request.json"
    asked.write_bytes(msgspec.json.encode(request))
    command = [sys.executable, "-m", "tropism.training.subprocess", str(asked)]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=_environment()
        )
        try:
            answer = _follow(process, request, on_progress, cancelled)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
    return _result(answer, process.returncode, folder / "log.txt")


def _environment() -> dict[str, str]:
    """One thread a job: a trained model must not depend on how many cores were idle."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _follow(
    process: subprocess.Popen[bytes],
    request: TrainingRequest,
    on_progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
) -> dict[str, Any]:
    deadline = time.monotonic() + request.timeout / SECOND
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        pending = b""
        while True:
            if cancelled():
                raise Cancelled("the training was cancelled")
            if time.monotonic() > deadline:
                fix = "raise training.timeout, or train on a smaller window"
                raise TrainingFailed("the training ran past its time limit", Fault("training.timeout", "", fix))
            if not selector.select(0.25):
                continue
            chunk = process.stdout.read()
            if chunk == b"":
                _let_end(process)
                return {}
            *lines, pending = (pending + (chunk or b"")).split(b"\n")
            for line in lines:
                message = msgspec.json.decode(line)
                if "progress" not in message:
                    _let_end(process)
                    return dict(message)
                on_progress(message["progress"], message["message"])


def _let_end(process: subprocess.Popen[bytes]) -> None:
    """Its own exit status is wanted; but everything is said, so one that hangs in its exit is killed."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_MOMENTS)


def _result(answer: dict[str, Any], status: int, log: Path) -> TrainingResult:
    if "result" in answer:
        return msgspec.convert(answer["result"], TrainingResult)
    if "error" in answer:
        kind = DiskFull if answer.get("code") == DiskFull.code else TrainingFailed
        raise kind(answer["error"], *msgspec.convert(answer["faults"], list[Fault]))
    tail = log.read_text(errors="replace")[-500:].strip()
    ended = f"ended with signal {-status}" if status < 0 else f"ended with status {status}"
    fix = "free memory or raise training.memory_mb, then `tropism train` again"
    raise TrainingFailed(f"the training process {ended}", Fault("training", tail, fix))


def _say(stream: IO[bytes], message: dict[str, Any]) -> None:
    stream.write(msgspec.json.encode(message) + b"\n")
    stream.flush()


def _end_with_parent() -> None:
    """Standard input is a pipe from the parent that closes when it dies, even by kill -9."""
    os.read(0, 1)
    os._exit(1)


def main(path: str) -> int:
    """The subprocess: read the request, train, answer on standard output."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    request = msgspec.json.decode(Path(path).read_bytes(), type=TrainingRequest)
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes to the log, not between our lines
    from tropism.storage.blobs import Blobs
    from tropism.training.trainer import train

    # after the imports: a library that cannot be loaded says many things, but not that memory is short
    limit = request.memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        result = train(
            request, Blobs(request.blobs), lambda share, text: _say(output, {"progress": share, "message": text})
        )
    except TropismError as error:
        _say(output, {"error": error.message, "code": error.code, "faults": msgspec.to_builtins(error.faults)})
        return 1
    except Exception as error:
        if not _out_of_memory(error):
            raise
        fix = "raise training.memory_mb, or train on a smaller window"
        fault = Fault("training.memory_mb", str(request.memory_mb), fix)
        _say(output, {"error": "the training ran out of memory", "faults": msgspec.to_builtins([fault])})
        return 1
    _say(output, {"result": msgspec.to_builtins(result)})
    return 0


def _out_of_memory(error: Exception) -> bool:
    """Each library has its own way to say so."""
    text = str(error).lower()
    said = any(words in text for words in ("allocate memory", "bad_alloc", "failed to map segment"))
    return said or isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
