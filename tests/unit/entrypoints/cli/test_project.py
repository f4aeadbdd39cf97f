from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tropism.project import load_project

Command = Callable[..., Any]


def test_init_makes_a_project_that_is_valid_and_explains_itself(tropism: Command, tmp_path: Path) -> None:
    folder = tmp_path / "my-project"
    said = tropism("init", folder)
    assert said.code == 0
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", "README.md", "project.py", "tropism.toml"]
    assert [task.name for task in load_project(folder / "project.py")] == ["payments"]
    assert tomllib.loads((folder / "tropism.toml").read_text())["http"]["port"] == 8700
    assert "# my-project" in (folder / "README.md").read_text()
    assert f"tropism -C {folder} up" in said.out


def test_init_again_changes_nothing(tropism: Command, tmp_path: Path) -> None:
    folder = tmp_path / "my-project"
    tropism("init", folder)
    (folder / "project.py").write_text("# mine\n")
    (folder / "README.md").unlink()
    said = tropism("init", folder)
    assert said.code == 0
    assert f"made {folder / 'README.md'}" in said.out
    assert (folder / "project.py").read_text() == "# mine\n"
    said = tropism("init", folder)
    assert said.code == 0
    assert "is a project already; nothing changed" in said.out


def test_init_without_a_folder_makes_it_here(tropism: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = tropism("init")
    assert said.code == 0
    assert (tmp_path / "project.py").exists()
    assert said.out.endswith("then run: tropism up\n")


def test_the_next_step_can_be_typed_as_it_is_shown(tropism: Command, tmp_path: Path) -> None:
    folder = tmp_path / "my project"
    assert f"tropism -C '{folder}' up" in tropism("init", folder).out


@pytest.mark.parametrize("inner", ["", "inner"])
def test_init_where_nothing_can_be_written(tropism: Command, tmp_path: Path, inner: str) -> None:
    (tmp_path / "file").write_text("")
    said = tropism("init", tmp_path / "file" / inner)
    assert said.code == 1
    assert "error [not-writable]" in said.err
    assert "choose a folder that you may write" in said.err


def test_apply_says_what_changed(shop: Command, project: Path) -> None:
    assert shop("apply").out == "payments: created\n"
    assert shop("apply").out == "payments: unchanged\n"
    path = project / "project.py"
    path.write_text(path.read_text().replace('outcome_window="7d"', 'outcome_window="1d"'))
    assert shop("apply").out == "payments: changed\n"


def test_a_change_that_would_break_history_is_refused_with_the_reason(shop: Command, project: Path) -> None:
    shop("apply")
    path = project / "project.py"
    path.write_text(path.read_text().replace('Feature("country", type="category")', 'Feature("country")'))
    said = shop("apply")
    assert said.code == 1
    assert "error [conflict] task 'payments' cannot change so: it would break its history" in said.err
    assert "country" in said.err
    path.write_text(path.read_text().replace('Feature("country")', 'Feature("country", type="category")'))
    assert shop("apply").out == "payments: unchanged\n"
