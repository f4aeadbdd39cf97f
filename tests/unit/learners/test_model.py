from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tropism.core.task import Task
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.calibration import Platt, Temperature
from tropism.learners.fitting import fit_model


@pytest.mark.parametrize("name", ["lightgbm", "random-forest", "linear"])
def test_importance_finds_what_matters(
    name: str, make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    importance = fit_model(make_task("regression"), name, make_data("regression")).importance()
    assert list(importance) == ["x", "noise", "city", "new"]
    assert sum(importance.values()) == pytest.approx(1.0)
    assert max(importance, key=importance.__getitem__) == "x"


def test_a_model_that_looks_at_no_feature_says_so(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    importance = fit_model(make_task("regression"), "mean", make_data("regression")).importance()
    assert set(importance.values()) == {0.0}


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
@pytest.mark.parametrize("name", ["lightgbm", "linear"])
def test_calibrated_scores_are_alike_for_a_row_alone(
    name: str, kind: str, make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    data = make_data(kind)
    model = fit_model(make_task(kind), name, data)
    calibrated = model.with_calibration(Temperature(1.3) if kind == "multiclass" else Platt(0.8, 0.1))
    together = calibrated.predict(data.features)
    alone = np.vstack([calibrated.predict_rows([row]) for row in data.features.to_pylist()])
    assert alone.tobytes() == together.tobytes()
    np.testing.assert_array_equal(calibrated.uncalibrated(data.features), model.predict(data.features))
    assert not np.array_equal(together, model.predict(data.features))


def test_scores_handed_out_are_the_callers_to_change(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    model = fit_model(make_task("binary"), "lightgbm", make_data("binary"))
    first = model.predict_rows([{"x": 1.0}])
    kept = first.copy()
    first[:] = 9.0
    np.testing.assert_array_equal(model.predict_rows([{"x": 1.0}]), kept)


_SERVE = """
import sys
from pathlib import Path
from tropism.learners.artifact import load

class Folder:
    def get(self, digest):
        return (Path(sys.argv[1]) / digest).read_bytes()
    def put(self, data):
        raise AssertionError

for digest in sys.argv[2:]:
    load(digest, Folder()).predict_rows([{"x": 1.0, "city": "c1"}])
heavy = {"lightgbm", "xgboost", "onnx", "sklearn", "scipy", "pandas", "pyarrow"} & set(sys.modules)
sys.exit(f"imported {sorted(heavy)}" if heavy else 0)
"""


def test_serving_imports_none_of_the_libraries_that_training_needs(
    tmp_path: Path, make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    class Folder:
        def get(self, digest: str) -> bytes:
            raise AssertionError(digest)

        def put(self, data: bytes) -> str:
            from hashlib import sha256

            digest = sha256(data).hexdigest()
            (tmp_path / digest).write_bytes(data)
            return digest

    optional = {"xgboost": "xgboost", "mlp": "onnxruntime"}
    names = ["lightgbm", "random-forest", "linear", "seasonal", "majority"]
    names += [name for name, package in optional.items() if find_spec(package)]
    digests = [store(fit_model(make_task("binary"), name, make_data("binary")), Folder()) for name in names]
    done = subprocess.run([sys.executable, "-c", _SERVE, str(tmp_path), *digests], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
@pytest.mark.parametrize("name", ["lightgbm", "linear"])
def test_codes_score_as_the_rows_they_come_from(
    name: str, kind: str, make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    data = make_data(kind, rows=200)
    model = fit_model(make_task(kind), name, data)
    calibrated = model.with_calibration(Temperature(1.3) if kind == "multiclass" else Platt(0.8, 0.1))
    rows = data.features.to_pylist()
    codes = np.array([model.encoding.codes(row) for row in rows])
    for one in (model, calibrated):
        expected = one.predict(data.features)
        assert one.predict_matrix(codes).tobytes() == expected.tobytes()
        if name == "linear":
            assert one.short is None
        else:
            short = one.short
            assert short is not None
            assert np.vstack([short(row) for row in codes.tolist()]).tobytes() == expected.tobytes()
