"""The runner as it is used: a script in a process whose path holds NumPy and ONNX Runtime, and nothing else."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tropism.core.task import Kind, Task
from tropism.learners.model import Model
from tropism.serving.scores import prediction, probabilities
from tropism.training.edge import runner
from tropism.training.edge.bundle import write_bundle

Models = Callable[[Kind, str], Model]
Tasks = Callable[[Kind], Task]
ROW = {"amount": 12.5, "age": 40, "city": "Oslo", "shop": "corner", "new": True}
BARE = """
import runpy, sys
sys.path.insert(0, {packages!r})
sys.argv = [{script!r}, *{words!r}]
try:
    runpy.run_path({script!r}, run_name="__main__")
finally:
    own = {{name.partition(".")[0] for name, module in sys.modules.items()
           if (getattr(module, "__file__", None) or "").startswith({packages!r})}}
    assert own <= {{"numpy", "onnxruntime"}}, own
"""


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with NumPy and ONNX Runtime alone."""
    folder = tmp_path_factory.mktemp("bare")
    for name in ("numpy", "onnxruntime"):
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        source = Path(spec.origin).parent
        (folder / name).symlink_to(source)
        beside = source.parent / f"{name}.libs"
        if beside.exists():
            (folder / beside.name).symlink_to(beside)
    return folder


@pytest.fixture
def run(packages: Path) -> Callable[..., Ran]:
    def one(folder: Path, *words: str, text: str = "") -> Ran:
        """`-I -S`: no environment, no site packages, no folder of the script."""
        code = BARE.format(packages=str(packages), script=str(folder / "runner.py"), words=list(words))
        command = [sys.executable, "-I", "-S", "-c", code]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return one


@pytest.fixture
def edge(model_of: Models, task_of: Tasks, tmp_path: Path) -> Path:
    write_bundle(model_of("binary", "lightgbm"), task_of("binary"), 1, tmp_path)
    return tmp_path


def test_it_is_short() -> None:
    assert runner.__file__ is not None
    assert len(Path(runner.__file__).read_text().splitlines()) <= 100


@pytest.mark.parametrize("learner", ["lightgbm", "linear", "mlp"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_with_onnxruntime_alone_it_says_what_the_server_says(
    model_of: Models, task_of: Tasks, run: Callable[..., Ran], tmp_path: Path, kind: Kind, learner: str
) -> None:
    model, task = model_of(kind, learner), task_of(kind)
    written = write_bundle(model, task, 1, tmp_path)
    checked = run(tmp_path, "--check")
    assert checked.out.startswith("ok: largest difference"), checked
    rows = [*json.loads((tmp_path / "checks.json").read_text())["rows"][:10], ROW]
    said = [json.loads(line) for line in run(tmp_path, text=json.dumps(rows)).out.splitlines()]
    assert len(said) == 11
    for row, one in zip(rows, said, strict=True):
        scores = tuple(model.predict_rows([row])[0].tolist())
        shares = probabilities(task, scores)
        if shares is None:
            assert one == {"prediction": pytest.approx(scores[0], abs=written.tolerance)}
        else:
            assert one["probabilities"] == pytest.approx(shares, abs=written.tolerance)
            assert one["prediction"] == prediction(task, scores)


def test_a_model_that_was_changed_is_noticed(edge: Path, run: Callable[..., Ran]) -> None:
    checks = json.loads((edge / "checks.json").read_text())
    checks["scores"][7][0] += 0.01
    (edge / "checks.json").write_text(json.dumps(checks))
    checked = run(edge, "--check")
    assert checked.code == 1 and checked.out.startswith("WRONG")


def test_rows_come_in_a_file_or_on_standard_input_in_three_forms(edge: Path, run: Callable[..., Ran]) -> None:
    one = run(edge, text=json.dumps(ROW, indent=2))
    assert one.code == 0 and len(one.out.splitlines()) == 1
    lines = run(edge, text=f"{json.dumps(ROW)}\n\n{json.dumps(ROW)}\n")
    assert lines.out == one.out * 2
    path = edge / "rows.json"
    path.write_text(json.dumps([ROW, ROW]))
    assert run(edge, str(path)).out == lines.out
    assert run(edge, text="") == run(edge, text="[]") == Ran(0, "", "")


def test_defaults_and_missing_values_are_those_of_the_server(
    edge: Path, model_of: Models, run: Callable[..., Ran]
) -> None:
    said = run(edge, text=json.dumps([{"amount": None, "age": 40, "city": "Atlantis"}])).out
    served = model_of("binary", "lightgbm").predict_rows(
        [{"amount": None, "age": 40.0, "city": "Atlantis", "shop": "web", "new": None}]
    )
    assert json.loads(said)["probabilities"]["true"] == pytest.approx(float(served[0, 0]), abs=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"amount": "12"}, "feature 'amount' is no number"),
        ({"amount": True}, "feature 'amount' is no number"),
        ({"amount": float("nan")}, "feature 'amount' is no number"),
        ({"amount": float("inf")}, "feature 'amount' is no number"),
        ({"age": None}, "feature 'age' is no number: null"),
        ({"city": 5}, "feature 'city' is no category"),
        ({"new": 1}, "feature 'new' is no boolean"),
        ({"colour": "red"}, "there is no feature 'colour'"),
    ],
)
def test_a_row_that_the_server_would_refuse_is_refused(edge: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        runner.encode([ROW, {**ROW, **change}], json.loads((edge / "encoding.json").read_text()))


@pytest.mark.parametrize("text", ["{", "[1]", '"x"', "null", "[[]]", "[null]", '{"amount": 1}', "\x00"])
def test_what_are_no_rows_is_told_in_a_line(edge: Path, run: Callable[..., Ran], text: str) -> None:
    said = run(edge, text=text)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("error: ") and len(said.err.splitlines()) == 1


def test_a_file_that_is_not_there_is_told(edge: Path, run: Callable[..., Ran]) -> None:
    said = run(edge, str(edge / "none.json"))
    assert said.code == 1 and "none.json" in said.err


def test_numbers_beyond_single_precision_are_cut_to_it(edge: Path) -> None:
    facts = json.loads((edge / "encoding.json").read_text())
    matrix = runner.encode([{**ROW, "amount": 1e300}, {**ROW, "amount": -1e300}], facts)
    assert np.all(np.isfinite(matrix[:, 0])) and matrix.dtype == np.float32
