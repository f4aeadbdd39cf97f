"""Runs commands in this process, and looks at what a user would see."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tropism.entrypoints.cli import main

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Said(NamedTuple):
    """Exit status, standard output and standard error."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def tropism(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """`tropism ARGUMENTS`, outside a terminal: never a traceback, never a control character."""
    monkeypatch.setenv("USER", "ann")
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        for text in (out, err):
            assert "Traceback" not in text
            assert not _CONTROL.search(text), repr(text)
        assert code != 70, err
        return Said(code, out, err)

    yield run


@pytest.fixture
def shop(tropism: Command, project: Path) -> Command:
    """`tropism -C shop ARGUMENTS`, in the project that `tropism init` made."""

    def run(*arguments: object) -> Said:
        return tropism("-C", project, *arguments)

    return run
