"""Finds out what kind of file is to be scored, and opens it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from tropism.core.errors import DataInvalid, Fault
from tropism.entrypoints.scoring.sources.arrow import ArrowSource
from tropism.entrypoints.scoring.sources.csv import CsvSource
from tropism.entrypoints.scoring.sources.json_lines import JsonSource
from tropism.entrypoints.scoring.sources.parquet import ParquetSource
from tropism.serving.tabular.arrow import MARK
from tropism.serving.tabular.parquet_pages import MARK as PARQUET_MARK

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.core.task import Task
    from tropism.entrypoints.scoring.plan import Form
    from tropism.entrypoints.scoring.sources.base import Chosen, Source

SUFFIXES: dict[str, Form] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "json-lines",
    ".ndjson": "json-lines",
    ".json": "json-lines",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_COMPRESSED = {b"PK": "a zip or Excel file", b"\x1f\x8b": "compressed with gzip", b"(\xb5": "compressed with zstd"}
_CONTINUATION = b"\xff\xff\xff\xff"


def open_source(path: Path, task: Task, chosen: Chosen) -> Source:
    """The file, by what it holds: Parquet and Arrow by their marks, JSON lines by a brace, all else is CSV.

    Raises:
        DataInvalid: it is missing, a folder, empty, compressed as a whole, or damaged.
        MissingFeature, UnknownFeature, InvalidInput: its columns do not fit the task.
    """
    kinds: dict[Form, type[ParquetSource | ArrowSource | JsonSource | CsvSource]] = {
        "parquet": ParquetSource,
        "arrow": ArrowSource,
        "json-lines": JsonSource,
        "csv": CsvSource,
    }
    return kinds[_form(path)](path, task, chosen)


def _form(path: Path) -> Form:
    start = _start(path)
    if start.startswith(PARQUET_MARK):
        return "parquet"
    if start.startswith((MARK, _CONTINUATION)):
        return "arrow"
    for mark, what in _COMPRESSED.items():
        if start.startswith(mark):
            fix = "unpack it first"
            raise DataInvalid(f"{path} is {what}", Fault(path.name, "", fix))
    by_name = SUFFIXES.get(path.suffix.lower())
    if by_name in ("parquet", "arrow"):
        fix = "write it again; it is damaged, or its name is wrong"
        raise DataInvalid(f"{path} does not begin as {by_name.capitalize()} does", Fault(path.name, "", fix))
    if by_name is not None:
        return by_name
    return "json-lines" if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")) else "csv"


def _start(path: Path) -> bytes:
    if path.is_dir():
        raise DataInvalid(f"{path} is a folder", Fault(path.name, "", "name a file in it; score one after the other"))
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except FileNotFoundError:
        raise DataInvalid(f"there is no file {path}", Fault("DATA", str(path), _nearby(path))) from None
    except OSError as error:
        fix = f"make it readable ({error.strerror})"
        raise DataInvalid(f"{path} cannot be read", Fault("DATA", str(path), fix)) from error
    if not start.strip():
        raise DataInvalid(f"{path} is empty", Fault("DATA", str(path), "give a file with columns"))
    return start


def _nearby(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent} either; check the path"
    files = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix.lower() in SUFFIXES)
    nearest = difflib.get_close_matches(path.name, files, n=1)
    return f"did you mean {path.parent / nearest[0]}?" if nearest else "check the path"
