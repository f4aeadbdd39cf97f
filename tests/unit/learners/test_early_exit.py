from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import ArtifactRefused, NotReady
from tropism.core.task import Feature, Kind, Task
from tropism.learners.artifact import load, store
from tropism.learners.base import Dataset, RowScorer
from tropism.learners.early_exit import EXIT_FILE, EarlyExitTrees, Exit
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model
from tropism.learners.trees import FILE
from tropism.storage.blobs import Blobs

CLASSES = ("a", "b", "c")


def _model(kind: Kind, learner: str = "lightgbm") -> Model:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 3))
    noisy = x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=600) * 0.3
    labels = {"binary": noisy > 0, "multiclass": np.digitize(noisy, [-0.5, 0.5]), "regression": noisy}[kind]
    task = Task(
        name="t",
        kind=kind,
        target="y",
        features=tuple(Feature(f"x{i}") for i in range(3)),
        classes=CLASSES if kind == "multiclass" else (),
    )
    table = pa.table({f"x{i}": x[:, i] for i in range(3)})
    data = Dataset(table, np.asarray(labels, np.float64), np.arange(600))
    return fit_model(task, learner, data, parameters={"num_trees": 80, "min_data_in_leaf": 5})


@pytest.fixture
def matrix() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(1).normal(size=(200, 3))


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_a_margin_that_is_never_reached_changes_nothing(
    kind: Kind, matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> None:
    model = _model(kind)
    exiting = EarlyExitTrees(model.estimator.export()[FILE], model.shape, Exit(10, 1e6))
    assert np.array_equal(exiting.predict(matrix), model.estimator.predict(matrix))


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_a_margin_that_is_reached_leaves_trees_out(
    kind: Kind, matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> None:
    """The clearer a row, the earlier it stops; nearly all rows are still given to the same class."""
    model = _model(kind)
    exiting = EarlyExitTrees(model.estimator.export()[FILE], model.shape, Exit(5, 1.0))
    stopped, full = exiting.predict(matrix), model.estimator.predict(matrix)
    assert np.mean(np.any(stopped != full, axis=1)) > 0.3
    assert stopped.max() < full.max()
    same = (stopped > 0.5) == (full > 0.5) if kind == "binary" else stopped.argmax(1) == full.argmax(1)
    assert np.mean(same) > 0.95


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_a_row_has_the_same_bits_alone_and_among_others(
    kind: Kind, matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> None:
    model = _model(kind)
    exiting = EarlyExitTrees(model.estimator.export()[FILE], model.shape, Exit(5, 1.0))
    assert isinstance(exiting, RowScorer)
    together = exiting.predict(matrix)
    assert np.array_equal(np.vstack([exiting.score(row) for row in matrix.tolist()]), together)
    assert np.array_equal(np.vstack([exiting.predict(row[None]) for row in matrix]), together)


def test_it_is_stored_and_loaded(matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    model = _model("binary")
    exiting = EarlyExitTrees(model.estimator.export()[FILE], model.shape, Exit(5, 1.5))
    loaded = EarlyExitTrees.load(exiting.export(), model.shape)
    assert np.array_equal(loaded.predict(matrix), exiting.predict(matrix))
    assert (loaded.exit_rule, loaded.trees) == (Exit(5, 1.5), 80)
    assert loaded.export() == exiting.export()
    weights, expected = loaded.importance(), model.estimator.importance()
    assert expected is not None
    assert weights.shape == (3,) and weights.argmax() == expected.argmax()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b'{"every":0,"margin":1.0}',
        b'{"every":5,"margin":-1.0}',
        b'{"every":5,"margin":1e999}',
        b'{"every":5,"margin":"1 num_threads=99"}',
        b'{"every":5,"margin":1.0,"more":1}',
        b'{"every":1000000000000,"margin":1.0}',
        b"\xff",
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(text: bytes) -> None:
    model = _model("binary")
    with pytest.raises(ArtifactRefused):
        EarlyExitTrees.load({FILE: model.estimator.export()[FILE], EXIT_FILE: text}, model.shape)


def test_the_trees_are_audited_and_other_files_refused() -> None:
    model = _model("binary")
    text, rule = model.estimator.export()[FILE], b'{"every":5,"margin":1.0}'
    with pytest.raises(ArtifactRefused, match="malformed"):
        EarlyExitTrees.load(
            {FILE: text.replace(b"split_feature=", b"split_feature=9", 1), EXIT_FILE: rule}, model.shape
        )
    for files in ({FILE: text}, {FILE: text, EXIT_FILE: rule, "more": b""}):
        with pytest.raises(ArtifactRefused):
            EarlyExitTrees.load(files, model.shape)


@pytest.mark.parametrize(("kind", "learner"), [("regression", "lightgbm"), ("binary", "random-forest")])
def test_only_boosted_classifiers_can_stop_early(kind: Kind, learner: str) -> None:
    """LightGBM would ignore the rule without a word."""
    model = _model(kind, learner)
    with pytest.raises(ArtifactRefused) as caught:
        EarlyExitTrees(model.estimator.export()[FILE], model.shape, Exit(5, 1.0))
    assert caught.value.faults[0].fix == "only boosted classifiers can stop early"


def test_a_closed_model_says_so(matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    model = _model("binary")
    exiting = EarlyExitTrees(model.estimator.export()[FILE], model.shape, Exit(5, 1.0))
    exiting.close()
    with pytest.raises(NotReady):
        exiting.predict(matrix)


def test_it_may_be_loaded_from_a_store(
    tmp_path: Path, matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> None:
    model = _model("binary")
    exiting = EarlyExitTrees(model.estimator.export()[FILE], model.shape, Exit(5, 1.0))
    stored = Model(model.signature, model.origin, model.encoding, exiting)
    blobs = Blobs(str(tmp_path / "blobs"))
    loaded = load(store(stored, blobs), blobs)
    assert np.array_equal(loaded.estimator.predict(matrix), exiting.predict(matrix))
