from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.features.feast.recorded import REPOSITORY

from tropism.core.errors import Conflict, NotWritable
from tropism.features.feast import import_feast
from tropism.project import load_features


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "feast"
    made.mkdir()
    (made / "feature_store.yaml").write_text("project: shop\n")
    return made


@pytest.fixture
def python(tmp_path: Path) -> str:
    (tmp_path / "answer").write_text(REPOSITORY)
    file = tmp_path / "python"
    file.write_text(f"#!/bin/sh\ncat '{tmp_path}/answer'\n")
    file.chmod(0o755)
    return str(file)


def test_the_file_is_written_with_paths_from_its_folder(folder: Path, python: str, tmp_path: Path) -> None:
    out = tmp_path / "features.py"
    done = import_feast(folder, python, out)
    assert out.read_text() == done.text
    assert 'path="feast/data/profiles.parquet"' in done.text
    assert (done.entities, done.views, len(done.left_out)) == (3, 3, 7)
    assert len(load_features(out)) == 6


def test_nothing_is_written_without_a_file(folder: Path, python: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert 'path="data/profiles.parquet"' in import_feast(folder, python).text
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_is_there_is_kept(folder: Path, python: str, tmp_path: Path) -> None:
    out = tmp_path / "project.py"
    out.write_text("mine")
    with pytest.raises(Conflict):
        import_feast(folder, python, out)
    assert out.read_text() == "mine"


def test_a_folder_that_is_not_there(folder: Path, python: str, tmp_path: Path) -> None:
    with pytest.raises(NotWritable):
        import_feast(folder, python, tmp_path / "none" / "project.py")
