"""Reads a project's `project.py`: the tasks, features, experiments and flags that it declares, checked, with the line
and the fix of each mistake."""

from tropism.project.loading import (
    load_experiments,
    load_features,
    load_flags,
    load_pipelines,
    load_project,
    refusal_of,
)

__all__ = ["load_experiments", "load_features", "load_flags", "load_pipelines", "load_project", "refusal_of"]
