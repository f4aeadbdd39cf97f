"""Reads what a Feast repository declares, by a script that runs where Feast is installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import msgspec

from tropism.core.errors import DataInvalid, Fault, MissingExtra, NotReady, SettingInvalid
from tropism.features.feast.dump import NO_FEAST

_DUMP = Path(__file__).with_name("dump.py")
_INSTALL = (
    "Feast needs pandas below 3, so give it an environment of its own: "
    "python -m venv feast-env && feast-env/bin/pip install 'feast==0.67.*', then --python feast-env/bin/python"
)


class FeastEntity(msgspec.Struct, frozen=True):
    """`type`: Feast's value type, such as INT64, or UNKNOWN."""

    name: str
    key: str
    type: str = "UNKNOWN"
    description: str = ""
    owner: str = ""
    tags: dict[str, str] = {}


class FeastField(msgspec.Struct, frozen=True):
    """`type`: as Feast writes it, such as `Array(Float32)`. `length`: of a vector, 0 where it is not said."""

    name: str
    type: str
    length: int = 0
    description: str = ""
    tags: dict[str, str] = {}


class FeastSource(msgspec.Struct, frozen=True):
    """`kind`: the class in Feast. `path`: of files. `mapping`: from columns to what Feast calls them."""

    kind: str
    name: str = ""
    path: str = ""
    format: str = ""
    query: str = ""
    timestamp: str = ""
    created: str = ""
    mapping: dict[str, str] = {}


class FeastNamed(msgspec.Struct, frozen=True):
    kind: str
    name: str


class FeastView(msgspec.Struct, frozen=True):
    """`ttl`: µs, 0 for ever. `code`: whether code or other views make its values."""

    name: str
    entities: tuple[str, ...] = ()
    key_types: dict[str, str] = {}
    ttl: int = 0
    fields: tuple[FeastField, ...] = ()
    source: FeastSource | None = None
    stream: FeastNamed | None = None
    code: bool = False
    enabled: bool = True
    owner: str = ""
    description: str = ""
    tags: dict[str, str] = {}


class FeastRepository(msgspec.Struct, frozen=True):
    """What a repository declares. `folder`: where it lies. `origin`: `definitions`, its files, or `registry`, what was
    applied, where it has no files. `others`: what is known by its name only."""

    feast: str
    project: str
    origin: str = "definitions"
    entities: tuple[FeastEntity, ...] = ()
    views: tuple[FeastView, ...] = ()
    others: tuple[FeastNamed, ...] = ()
    folder: str = ""


def read_repository(folder: Path, python: str | None = None, seconds: float = 120) -> FeastRepository:
    """What the Feast repository in a folder declares. Its files are run, as by `feast apply`; nothing is applied.

    `python`: the interpreter that has Feast; TROPISM's own where none is named. `seconds`: how long it may take.

    Raises:
        DataInvalid: there is no repository, or Feast cannot load it.
        MissingExtra: the interpreter has no Feast.
        SettingInvalid: there is no such interpreter.
        NotReady: it took too long, such as when its registry is away.
    """
    if not (folder / "feature_store.yaml").is_file():
        fault = Fault("folder", str(folder), "name the folder that holds feature_store.yaml")
        raise DataInvalid("there is no Feast repository in this folder", fault)
    if python is None and find_spec("feast") is None:
        raise MissingExtra("Feast is not installed here", Fault("python", "", _INSTALL))
    with TemporaryFile() as answer, TemporaryFile() as log:
        status = _run(python or sys.executable, folder, answer, log, seconds)
        if status == NO_FEAST:
            raise MissingExtra("this interpreter has no Feast", Fault("python", python or sys.executable, _INSTALL))
        if status != 0:
            raise _failed(status, _read(log))
        try:
            found = msgspec.json.decode(_read(answer), type=FeastRepository)
        except msgspec.DecodeError as error:
            fault = Fault("folder", str(error)[:200], "use Feast 0.67")
            raise DataInvalid("what Feast said about its repository cannot be read", fault) from error
    return msgspec.structs.replace(found, folder=str(folder.resolve()))


def _run(python: str, folder: Path, answer: IO[bytes], log: IO[bytes], seconds: float) -> int:
    # FEAST_USAGE and, before it, FEAST_TELEMETRY: Feast sent statistics home until they were taken out of it.
    quiet = {"FEAST_USAGE": "False", "FEAST_TELEMETRY": "False", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
    # A path is meant from where the caller stands; a bare name is looked up.
    command = [str(Path(python).absolute()) if os.sep in python else python, str(_DUMP)]
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **quiet},
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=log,
            start_new_session=True,
        )
    except OSError as error:
        fault = Fault("python", python, f"name a Python interpreter that has Feast ({error.strerror})")
        raise SettingInvalid("the interpreter does not start", fault) from error
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired as error:
        fix = "see whether its registry answers: `feast feature-views list`"
        raise NotReady("reading the Feast repository took too long", Fault("folder", f"{seconds:g} s", fix)) from error
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _failed(status: int, log: bytes) -> DataInvalid:
    lines = [line.strip() for line in log.decode(errors="replace").splitlines() if line.strip()]
    said = lines[-1][:300] if lines else f"ended with status {status}"
    fix = "mend it until `feast plan` in its folder works"
    return DataInvalid("Feast cannot load its repository", Fault("folder", said, fix))
