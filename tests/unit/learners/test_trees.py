from __future__ import annotations

from collections.abc import Callable

import pytest

from tropism.core.errors import ArtifactRefused, NotReady
from tropism.core.task import Task
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
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
    model = fit_model(make_task("binary"), "lightgbm", make_data("binary"), parameters={"num_trees": 3})
    assert isinstance(model.estimator, TreeEnsemble)
    model.estimator.close()
    with pytest.raises(NotReady):
        model.predict_rows([{}])
    assert model.estimator.export()
