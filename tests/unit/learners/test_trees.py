from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tropism.core.errors import ArtifactRefused, NotReady
from tropism.core.task import Task
from tropism.learners import leaf_masks
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.learners.lightgbm_text import audit
from tropism.learners.trees import TreeEnsemble


def test_only_its_one_file_is_loaded(make_task: Callable[..., Task], make_data: Callable[..., Dataset]) -> None:
    model = fit_model(make_task("binary"), "lightgbm", make_data("binary"), parameters={"num_trees": 3})
    files = model.estimator.export()
    assert TreeEnsemble.load(files, model.shape).trees == 3
    for wrong in ({}, {**files, "hook.py": b""}, {"other.txt": files["model.txt"]}):
        with pytest.raises(ArtifactRefused, match="wrong files"):
            TreeEnsemble.load(wrong, model.shape)
    with pytest.raises(ArtifactRefused):
        TreeEnsemble.load(files, model.shape._replace(width=5))


def test_close_lets_the_native_memory_go(make_task: Callable[..., Task], make_data: Callable[..., Dataset]) -> None:
    model = fit_model(make_task("binary"), "lightgbm", make_data("binary"), parameters={"num_trees": 60})
    assert isinstance(model.estimator, TreeEnsemble)
    model.estimator.predict(np.zeros((100, 4)))
    model.estimator.close()
    with pytest.raises(NotReady):
        model.predict_rows([{}])
    with pytest.raises(NotReady):
        model.estimator.predict(np.zeros((100, 4)))
    assert model.estimator.export()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_batches_of_any_size_have_the_bits_of_single_rows(
    kind: str, make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    data = make_data(kind, rows=400)
    model = fit_model(make_task(kind), "lightgbm", data, parameters={"num_trees": 60})
    trees = model.estimator
    assert isinstance(trees, TreeEnsemble)
    matrix = model.encoding.matrix(data.features)
    expected = np.vstack([trees.score(row.tolist()) for row in matrix])
    for count in (1, 2, 15, 16, 17, 64, 400):
        assert trees.predict(matrix[:count]).tobytes() == expected[:count].tobytes()


def test_what_does_not_agree_with_lightgbm_is_not_used(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data("binary")
    model = fit_model(make_task("binary"), "lightgbm", data, parameters={"num_trees": 60})
    matrix = model.encoding.matrix(data.features)
    expected = model.estimator.predict(matrix)
    monkeypatch.setattr(leaf_masks, "_exp", np.exp2)
    files = model.estimator.export()
    masks = leaf_masks.LeafMasks.of(audit(files["model.txt"], model.shape), model.shape)
    assert masks is not None
    assert not np.allclose(masks.predict(matrix), expected)
    assert TreeEnsemble.load(files, model.shape).predict(matrix).tobytes() == expected.tobytes()
