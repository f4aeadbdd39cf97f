"""Reads a project file and runs it, with the modules beside it."""

from __future__ import annotations

import ast
import runpy
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, ProjectInvalid
from tropism.core.source_page import SourcePage
from tropism.project.refusing import refusal
from tropism.project.vocabulary import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def loaded(path: Path) -> tuple[SourcePage, dict[str, Any]]:
    """The file's page, and the names it binds. Raises `ProjectInvalid`."""
    source = read(path)
    try:
        page = SourcePage(path.name, ast.parse(source, path.name), FIELDS)
    except (SyntaxError, ValueError) as error:
        line = f"{path.name}:{getattr(error, 'lineno', None) or 1}"
        reason = getattr(error, "msg", str(error))
        raise ProjectInvalid(f"{path.name} does not parse: {reason}", Fault(line, "", "mend this line")) from error
    return page, _run(path, page)


def read(path: Path) -> bytes:
    """The file's bytes. Raises `ProjectInvalid`."""
    fix = "make a project with `tropism init`, or name its folder: `tropism -C FOLDER ...`"
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ProjectInvalid(f"there is no {path.name} in {path.parent}", Fault(str(path), "", fix)) from error
    except OSError as error:
        fault = Fault(str(path), error.strerror or "", "make it a file that you may read")
        raise ProjectInvalid(f"{path.name} cannot be read", fault) from error


def _run(path: Path, page: SourcePage) -> dict[str, Any]:
    try:
        with _importable(path.parent):
            return runpy.run_path(str(path), run_name="tropism_project")
    except (Exception, SystemExit) as error:  # a project file may raise anything
        raise refusal(path, page, error) from error


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path[:] = before
