from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tropism.core.errors import InvalidInput, NotWritable
from tropism.core.task import Kind, Task
from tropism.learners.calibration import Calibration, Identity, Isotonic, Platt, Temperature
from tropism.learners.constant import Constant, Fixed
from tropism.learners.model import Model
from tropism.training.edge.bundle import write_bundle
from tropism.training.optimise.base import Sample, derived
from tropism.training.optimise.fp16 import Half
from tropism.training.optimise.int8_dynamic import Int8Dynamic

Models = Callable[[Kind, str], Model]
Tasks = Callable[[Kind], Task]
FILES = ["README.txt", "checks.json", "encoding.json", "model.onnx", "runner.py"]
ISOTONIC = Isotonic((0.1, 0.5, 0.9), (0.0, 0.4, 1.0))


def _checks(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "checks.json").read_text()))


@pytest.mark.parametrize("learner", ["lightgbm", "random-forest", "linear", "mlp"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_bundle_holds_what_is_needed_and_the_servers_scores(
    model_of: Models, task_of: Tasks, tmp_path: Path, kind: Kind, learner: str
) -> None:
    model, task = model_of(kind, learner), task_of(kind)
    written = write_bundle(model, task, 3, tmp_path / "a" / "edge")
    assert sorted(path.name for path in written.folder.iterdir()) == FILES
    assert written.size == sum(path.stat().st_size for path in written.folder.iterdir())
    checks = _checks(written.folder)
    assert np.array_equal(np.array(checks["scores"]), model.predict_rows(checks["rows"]))
    size = max(1.0, float(np.abs(checks["scores"]).max()))
    assert checks["tolerance"] == written.tolerance <= 2e-5 * size
    readme = (written.folder / "README.txt").read_text()
    assert "sales, version 3" in readme and "city (category)" in readme


@pytest.mark.parametrize(
    ("kind", "calibration"),
    [
        ("binary", Identity()),
        ("binary", Platt(0.7, -0.2)),
        ("binary", ISOTONIC),
        ("multiclass", Temperature(1.7)),
    ],
)
def test_calibrations_are_applied_as_the_server_applies_them(
    model_of: Models, task_of: Tasks, tmp_path: Path, kind: Kind, calibration: Calibration
) -> None:
    model = model_of(kind, "lightgbm").with_calibration(calibration)
    written = write_bundle(model, task_of(kind), 1, tmp_path)
    assert _runner(tmp_path).main(["--check"]) == 0
    assert written.tolerance <= 1e-4


@pytest.mark.parametrize(("technique", "most"), [(Int8Dynamic(), 1e-3), (Half(), 5e-3)])
def test_coarser_models_may_be_further_off_on_another_processor(
    model_of: Models, task_of: Tasks, tmp_path: Path, technique: Any, most: float
) -> None:
    none = Sample(None, np.empty(0), np.empty(0, np.int64))
    model = technique.apply(model_of("binary", "mlp"), none)
    written = write_bundle(model, task_of("binary"), 1, tmp_path)
    assert written.tolerance in (1e-5, most)
    assert _runner(tmp_path).main(["--check"]) == 0


def test_a_bundle_replaces_an_older_one(model_of: Models, task_of: Tasks, tmp_path: Path) -> None:
    write_bundle(model_of("binary", "lightgbm"), task_of("binary"), 1, tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_bundle(model_of("binary", "lightgbm"), task_of("binary"), 1, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    write_bundle(model_of("binary", "linear"), task_of("binary"), 2, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    assert _runner(tmp_path).main(["--check"]) == 0


def test_a_model_that_cannot_be_said_in_onnx_is_refused(model_of: Models, task_of: Tasks, tmp_path: Path) -> None:
    model = model_of("binary", "linear")
    constant = derived(model, Constant(Fixed((0.5,)), model.shape), "fixed")
    with pytest.raises(InvalidInput, match=r"sales:7 .* cannot be said in ONNX"):
        write_bundle(constant, task_of("binary"), 7, tmp_path / "edge")
    assert not (tmp_path / "edge").exists()


def test_a_folder_that_cannot_be_written_is_named(model_of: Models, task_of: Tasks, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritable, match="the bundle cannot be written") as caught:
        write_bundle(model_of("binary", "linear"), task_of("binary"), 1, tmp_path / "file")
    assert str(tmp_path / "file") in caught.value.faults[0].value


def _runner(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("runner", folder / "runner.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
