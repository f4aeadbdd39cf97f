"""Runs the conversion in a process apart: PATH and the language of our environment, a folder of its own, limits, no
network where it can be taken away.

It is no jail. The process runs as the same user, so only code that one would run oneself belongs there; what it
gives back is plain data, and is audited like anything else.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.faults import shown
from tropism.training.mlmodels.folder import MOST_FILE, refused

if TYPE_CHECKING:
    from tropism.learners.base import Floats

_SCRIPT = Path(__file__).with_name("conversion.py")
_MEMORY = 8 * 2**30
_MOST_ANSWER = 64 * 2**20
_MOST_FOLDER = 2**30
_UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversion said. `scores`: the original's, of the rows that were sent; `classes`: in their order."""

    kind: str = ""
    scores: list[list[float]] = []
    classes: list[str] | None = None
    packages: dict[str, str] = {}
    error: str = ""


class Converted(msgspec.Struct, frozen=True, kw_only=True):
    """The converted model, and whether the process had a network."""

    model: bytes
    answer: Answer
    network: bool


def convert_apart(
    folder: Path, flavor: str, python: Path, *, kind: str, names: list[str], rows: Floats, seconds: float
) -> Converted:
    """Converts the model of a flavour by an interpreter of the user's.

    Raises:
        ArtifactRefused: it failed, ran out of time or memory, or answered nonsense; says what it said.
    """
    with tempfile.TemporaryDirectory(prefix="tropism-convert-") as made:
        root = Path(made)
        _copy(folder, root / "model")
        (root / "rows.json").write_bytes(msgspec.json.encode(rows.tolist()))
        asked = {
            "folder": str(root / "model"),
            "flavor": flavor,
            "kind": kind,
            "names": names,
            "rows": str(root / "rows.json"),
            "model": str(root / "converted"),
            "answer": str(root / "answer.json"),
            "seconds": seconds,
            "memory": _MEMORY,
            "file": MOST_FILE,
        }
        (root / "request.json").write_bytes(msgspec.json.encode(asked))
        alone = isolates()
        _run([*(_UNSHARE if alone else ()), str(python.absolute()), "-I", str(_SCRIPT)], root, seconds)
        answer = _answer(root)
        if answer.error:
            raise refused(
                f"{flavor}, converted", answer.error[:300], "log it as ONNX, or as LightGBM's or XGBoost's own"
            )
        return Converted(model=_read(root / "converted", MOST_FILE), answer=answer, network=not alone)


@cache
def isolates() -> bool:
    """Whether processes here can be given no network."""
    if shutil.which(_UNSHARE[0]) is None:
        return False
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run([*_UNSHARE, "true"], capture_output=True, timeout=10, check=False).returncode == 0
    return False


def _copy(folder: Path, to: Path) -> None:
    """Raises `ArtifactRefused` for a link, which may lead anywhere, for what is no file, and where it is too much."""
    try:
        size = 0
        for one in folder.rglob("*"):
            if one.is_symlink() or not (one.is_file() or one.is_dir()):
                raise refused("folder", shown(one.name), "it has files and folders only: copy what a link leads to")
            size += one.stat().st_size
        if size > _MOST_FOLDER:
            raise refused("folder", f"{size} bytes", f"a folder has at most {_MOST_FOLDER}")
        shutil.copytree(folder, to)
    except OSError as error:
        raise refused("folder", str(error)[:200], "it must be one that can be read, and copied once") from error


def _run(command: list[str], root: Path, seconds: float) -> None:
    """Raises `ArtifactRefused` if it ends by anything but itself."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    environment = {**kept, "HOME": str(root), "TMPDIR": str(root), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    with (root / "log.txt").open("wb") as log:
        try:
            process = subprocess.Popen(
                [*command, str(root / "request.json")],
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise refused("--python", error.strerror or "", "name an interpreter that can be run") from error
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise refused("--timeout", f"over {seconds:g} s", "give it more time") from error
        finally:
            with suppress(ProcessLookupError):  # its children too
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status:
        said = (root / "log.txt").read_bytes()[-300:].decode(errors="replace").strip()
        ended = f"signal {-status}" if status < 0 else f"status {status}"
        raise refused("the conversion", f"ended with {ended}: {said}", "look at what it says; it may lack memory")


def _answer(root: Path) -> Answer:
    try:
        return msgspec.json.decode(_read(root / "answer.json", _MOST_ANSWER), type=Answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise refused("the conversion", str(error)[:100], "scores must be finite numbers") from error


def _read(path: Path, most: int) -> bytes:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > most:
        raise refused("the conversion", f"no {path.name}", "it must leave a file of ordinary size")
    return path.read_bytes()


def as_settings(found: Converted) -> dict[str, Any]:
    """What is noted of a conversion."""
    return {"packages": found.answer.packages, "network": found.network}
