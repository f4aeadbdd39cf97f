"""Reading a repository, with stand-ins for Feast; `test_dump` uses Feast itself."""

from __future__ import annotations

import os
import select
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.unit.features.feast.recorded import REPOSITORY

from tropism.core.errors import DataInvalid, MissingExtra, NotReady, SettingInvalid
from tropism.features.feast import read_repository


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "repository"
    made.mkdir()
    (made / "feature_store.yaml").write_text("project: shop\n")
    return made


def script(tmp_path: Path, body: str) -> str:
    """An interpreter that answers so, whatever it is to run."""
    file = tmp_path / "python"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return str(file)


def test_what_feast_says_is_read(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "answer").write_text(REPOSITORY)
    found = read_repository(folder, script(tmp_path, f"echo noise >&2; cat '{tmp_path}/answer'"))
    assert (found.feast, found.project, found.folder) == ("0.67.0", "shop", str(folder.resolve()))
    assert [one.name for one in found.views] == ["live", "odd", "Pair_View", "profile", "whole"]


def test_feast_sends_no_statistics_and_stands_in_the_folder(tmp_path: Path, folder: Path) -> None:
    python = script(tmp_path, 'pwd >&2; echo "$FEAST_USAGE $FEAST_TELEMETRY" > seen; exit 1')
    with pytest.raises(DataInvalid) as caught:
        read_repository(folder, python)
    assert caught.value.faults[0].value == str(folder.resolve())
    assert (folder / "seen").read_text() == "False False\n"


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid) as caught:
        read_repository(tmp_path, "python")
    assert "feature_store.yaml" in caught.value.faults[0].fix


def test_without_feast_it_says_how_to_get_it(folder: Path) -> None:
    if find_spec("feast") is not None:
        pytest.skip("Feast is installed here")
    for python in (None, sys.executable):
        with pytest.raises(MissingExtra) as caught:
            read_repository(folder, python)
        assert "pip install 'feast==0.67.*'" in caught.value.faults[0].fix


def test_an_interpreter_that_is_not_there(tmp_path: Path, folder: Path) -> None:
    for python in (str(tmp_path / "none"), "no-such-python"):
        with pytest.raises(SettingInvalid) as caught:
            read_repository(folder, python)
        assert caught.value.faults[0].value == python


def test_the_last_line_of_a_failure_is_quoted_and_no_traceback(tmp_path: Path, folder: Path) -> None:
    python = script(tmp_path, "echo 'Traceback (most recent call last):' >&2; echo 'KeyError: limit' >&2; exit 1")
    with pytest.raises(DataInvalid) as caught:
        read_repository(folder, python)
    assert caught.value.faults[0].value == "KeyError: limit"
    assert "Traceback" not in str(caught.value)


def test_an_answer_that_is_none(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataInvalid, match="cannot be read"):
        read_repository(folder, script(tmp_path, "echo '{}'"))


def test_one_that_takes_too_long_is_ended_with_its_children(tmp_path: Path, folder: Path) -> None:
    os.mkfifo(tmp_path / "child")
    python = script(tmp_path, f"(echo started; exec sleep 600) > '{tmp_path}/child' & wait")
    child = os.open(tmp_path / "child", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(NotReady):
            read_repository(folder, python, seconds=1)
        assert os.read(child, 100) == b"started\n"
        # The pipe ends with the last process that holds it.
        ready, _, _ = select.select([child], [], [], 30)
        assert ready and os.read(child, 100) == b""
    finally:
        os.close(child)
