"""A Feast repository as a file of definitions, in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tropism.core.errors import Conflict, Fault, NotWritable
from tropism.features.feast.definitions import definitions
from tropism.features.feast.naming import Remark
from tropism.features.feast.repository import read_repository
from tropism.features.feast.writing import as_python

if TYPE_CHECKING:
    from pathlib import Path


class Imported(msgspec.Struct, frozen=True):
    """`text`: Python source. `left_out`, `changed`: as in `Converted`. `entities`, `views`: how many there are."""

    text: str
    entities: int
    views: int
    left_out: tuple[Remark, ...]
    changed: tuple[Remark, ...]


def import_feast(folder: Path, python: str | None = None, out: Path | None = None) -> Imported:
    """Takes over what the Feast repository in a folder declares.

    `python`: the interpreter that has Feast. `out`: the file to write, which must not be there yet; paths of sources
    are then relative to its folder. Without it nothing is written.

    Raises:
        Conflict: the file is there.
        NotWritable: it cannot be written.
        TropismError: as `read_repository`.
    """
    if out is not None and out.exists():
        raise _there(out)
    converted = definitions(read_repository(folder, python), None if out is None else out.parent)
    text = as_python(converted)
    if out is not None:
        _write(out, text)
    return Imported(text, len(converted.entities), len(converted.views), converted.left_out, converted.changed)


def _write(out: Path, text: str) -> None:
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise _there(out) from error
    except OSError as error:
        fault = Fault("out", str(out), "name a file in a folder that you may write to")
        raise NotWritable(f"the definitions cannot be written: {error.strerror}", fault) from error


def _there(out: Path) -> Conflict:
    return Conflict("the file is there already", Fault("out", str(out), "name another file, or move this one away"))
