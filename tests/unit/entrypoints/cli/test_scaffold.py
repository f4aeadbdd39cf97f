from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from tropism.config import load_settings
from tropism.core.errors import NotWritable
from tropism.entrypoints.cli.scaffold import scaffold
from tropism.project import load_project


def test_the_settings_are_the_defaults_that_they_claim_to_be(tmp_path: Path) -> None:
    bare = load_settings(tmp_path, environment={})
    scaffold(tmp_path)
    assert load_settings(tmp_path, environment={}) == bare


def test_the_example_request_fits_the_task(tmp_path: Path) -> None:
    scaffold(tmp_path)
    (task,) = load_project(tmp_path / "project.py")
    readme = (tmp_path / "README.md").read_text()
    bodies = [msgspec.json.decode(body) for body in re.findall(r"-d '([^']*)'", readme)]
    assert bodies[0]["features"].keys() == set(task.feature_names)
    assert task.label(bodies[1]["outcome"]) == 0.0
    assert f"/v1/tasks/{task.name}/predict" in readme


def test_what_was_made_is_told(tmp_path: Path) -> None:
    assert [path.name for path in scaffold(tmp_path)] == ["project.py", "tropism.toml", "README.md", ".gitignore"]
    assert scaffold(tmp_path) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritable) as refused:
        scaffold(tmp_path / "file" / "folder")
    assert refused.value.faults[0].field == str(tmp_path / "file" / "folder")
