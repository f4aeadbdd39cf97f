"""Fits a learner, found by its name, into a model that can be served."""

from __future__ import annotations

import inspect
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from tropism.core import plugins
from tropism.core.errors import Fault, SettingInvalid
from tropism.learners.base import Encoded
from tropism.learners.calibration import fit_calibration
from tropism.learners.encoding import Encoding
from tropism.learners.ensemble import Ensemble
from tropism.learners.model import Model, Origin, Signature
from tropism.learners.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tropism.core.task import Task
    from tropism.learners.base import Dataset, Estimator, Floats, Learner, Parameter

GROUP = "tropism.learners"
_LIBRARIES = {
    "lightgbm-text": ("lightgbm",),
    "safetensors": ("safetensors", "scipy"),
    "constant": (),
    "xgboost-json": ("xgboost", "xgboost-cpu", "lightgbm"),
    "onnx": ("scikit-learn", "onnx", "onnxruntime", "onnxruntime-gpu"),
}
"""Packages whose versions are kept, of those that are installed: some come under several names."""


def fit_model(
    task: Task,
    learner_name: str,
    dataset: Dataset,
    *,
    parameters: Mapping[str, Parameter] | None = None,
    seed: int = 0,
    calibrate: tuple[Floats, Floats] | None = None,
) -> Model:
    """A model of `task` fitted on `dataset`.

    `calibrate`: labels (n,) and scores (n, outputs) of rows that the estimator was not trained on; better fitted
    apart, with `Model.uncalibrated`, `fit_calibration` and `Model.with_calibration`.

    Raises:
        SettingInvalid: no such learner, or a parameter it does not know or take.
        MissingExtra: the learner needs a package that is not installed.
        DataInvalid: nothing to learn from, or a column of the wrong type.
        TrainingFailed: the learner gave up.
    """
    learner = make_learner(learner_name, parameters or {})
    encoding = Encoding.fit(task.features, dataset.features, learner.style)
    data = Encoded(encoding.matrix(dataset.features), dataset.labels, dataset.at, dataset.weights)
    estimator = learner.fit(data, task, seed)
    formats = estimator.formats if isinstance(estimator, Ensemble) else (estimator.format,)
    packages = ("tropism", "numpy", *(package for name in formats for package in _LIBRARIES.get(name, ())))
    origin = Origin(
        learner=learner_name,
        parameters=learner.parameters,
        seed=seed,
        rows=len(dataset.labels),
        libraries=_versions(packages),
    )
    calibration = fit_calibration(task.kind, *calibrate) if calibrate is not None else None
    signature = Signature(task.name, task.kind, task.classes)
    return Model(signature, origin, encoding, estimator, calibration, _sample(estimator, encoding, data))


def _sample(estimator: Estimator, encoding: Encoding, data: Encoded) -> Sample | None:
    """Rows to verify the model by; the framework scores them only if the model is stored."""
    if estimator.framework is None:
        return None
    return Sample.choose(data.matrix, encoding.rows([{}]), estimator.framework)


def make_learner(name: str, parameters: Mapping[str, Parameter]) -> Learner:
    """The learner registered under `name`, with its parameters checked.

    Raises:
        SettingInvalid: no such learner, or a parameter it does not know or take.
        MissingExtra: it needs a package that is not installed.

    >>> make_learner("majority", {}).parameters
    {}
    """
    kind: type[Learner] = plugins.load(GROUP, name)
    known = list(inspect.signature(kind).parameters)
    faults = [
        Fault(f"parameters.{unknown}", repr(parameters[unknown]), f"use some of: {', '.join(known) or 'none'}")
        for unknown in sorted(parameters.keys() - set(known))
    ]
    if faults:
        raise SettingInvalid(f"the learner '{name}' does not have such a parameter", *faults)
    return kind(**parameters)


def _versions(packages: Iterable[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
