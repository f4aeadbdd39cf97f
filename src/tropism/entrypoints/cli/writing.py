"""Writes what a command made to the file that a person named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import Fault, NotWritable

if TYPE_CHECKING:
    from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Writes a file.

    Raises:
        NotWritable: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fault = Fault("--output", str(path), f"name a file that can be written: {error.strerror or error}")
        raise NotWritable("the file cannot be written", fault) from error
