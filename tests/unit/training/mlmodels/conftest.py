"""Folders as MLflow writes them, made by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tropism.core.task import Feature, Task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def task() -> Task:
    return Task(name="pay", kind="binary", target="y", features=(Feature("age"), Feature("amount")))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder: a flavour with its settings, the model's file, and the columns of the signature."""

    def make(flavor: str, settings: dict[str, Any], data: bytes, columns: dict[str, str] | None = None) -> Path:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        lines = ["flavors:", f"  {flavor}:", *(f"    {key}: {json.dumps(value)}" for key, value in settings.items())]
        lines += ["  python_function:", f"    loader_module: mlflow.{flavor}", "mlflow_version: 3.17.2", "run_id: abc"]
        if columns is not None:
            inputs = [{"type": kind, "name": name, "required": True} for name, kind in columns.items()]
            lines += ["signature:", f"  inputs: '{json.dumps(inputs)}'"]
        (folder / "MLmodel").write_text("\n".join(lines) + "\n")
        (folder / str(settings.get("data", "model.bin"))).write_bytes(data)
        return folder

    return make
