"""Opens the project that a command works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.config import load_settings
from tropism.core.errors import Fault, ProjectInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tropism.config import Settings
    from tropism.wiring import Platform


def settings_of(project: Path, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """The settings of a folder that is a project: it has a `project.py`, a `tropism.toml`, or state.

    Raises:
        ProjectInvalid: it is none. Nothing is made in it.
        SettingInvalid: a setting is not valid.
    """
    settings = load_settings(project, overrides)
    if not any(path.exists() for path in (project / "project.py", project / "tropism.toml", settings.folder)):
        problem = "is not a project" if project.is_dir() else "does not exist"
        fix = f"make one: tropism init {project}; or name another: tropism -C FOLDER ..."
        raise ProjectInvalid(f"the folder {project.resolve()} {problem}", Fault("project", "", fix))
    return settings


def open_project(project: Path) -> Platform:
    """The parts of a project. Raises what `settings_of` does, and NotWritable."""
    from tropism.wiring import open_platform

    return open_platform(settings_of(project))
