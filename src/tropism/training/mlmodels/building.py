"""A model of a task out of a folder with an `MLmodel`, whatever of its flavours can be read without running code."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from tropism.core.errors import Fault, InvalidInput, TropismError
from tropism.learners.encoding import Encoding, EncodingFacts
from tropism.learners.model import Model, Origin, Signature
from tropism.learners.sample import Sample
from tropism.training.mlmodels.folder import NAME, readable, refused, text_of
from tropism.training.mlmodels.lightgbm import read_lightgbm
from tropism.training.mlmodels.onnx import read_onnx
from tropism.training.mlmodels.xgboost import read_xgboost

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.core.task import Task
    from tropism.learners.base import Floats
    from tropism.training.mlmodels.folder import ModelFolder
    from tropism.training.mlmodels.found import Found

_READERS: dict[str, Callable[[ModelFolder, Task], Found]] = {
    "onnx": read_onnx,
    "lightgbm": read_lightgbm,
    "xgboost": read_xgboost,
}
CONVERTED = ("sklearn", "pytorch", "lightgbm")
"""Flavours that a conversion can be asked for."""
_ROWS = 200
_PACKAGES = ("tropism", "numpy", "lightgbm", "onnx", "onnxruntime")


class Imported(NamedTuple):
    """The model, the flavour that it was made of, and what is noted of where it came from."""

    model: Model
    flavor: str
    facts: dict[str, Any]


def import_folder(
    folder: ModelFolder, task: Task, convert: Callable[[ModelFolder, str], Found] | None = None
) -> Imported:
    """The model, with rows that it is verified by each time it is loaded.

    `convert` runs the code of a flavour that is not plain data somewhere else; without it such a one is refused.

    Raises:
        NotFound: a file is missing.
        ArtifactRefused: no flavour can be read, or one that can is malformed.
        InvalidInput: its columns do not fit the task.
        MissingExtra: a package is not installed.
    """
    flavor, found = _read(folder, task.learnt.flat, convert)
    encoding = Encoding(EncodingFacts("codes", found.columns))
    origin = Origin(learner=f"mlflow-{flavor}", parameters={}, seed=0, rows=0, libraries=_versions())
    signature = Signature(task.name, task.kind, task.classes)
    sample, missing = _sample(found, _rows(folder, encoding, found.ranges))
    facts: dict[str, Any] = {
        "source": "mlflow",
        "flavor": flavor,
        "run_id": folder.described.run_id,
        "model_id": folder.described.model_id,
        "mlflow_version": folder.described.mlflow_version,
        "missing": missing,
    }
    if found.checked is not None:
        facts["checked"] = {"largest_difference": found.checked[0], "rows": found.checked[1]}
        facts["converted"] = found.converted
    return Imported(Model(signature, origin, encoding, found.estimator, None, sample), flavor, facts)


def _read(folder: ModelFolder, task: Task, convert: Callable[[ModelFolder, str], Found] | None) -> tuple[str, Found]:
    flavors = folder.described.flavors
    known = [name for name in _READERS if name in flavors]
    for name in known:
        if text_of(flavors[name].get("data")).endswith((".skops", ".pkl")):
            continue
        with readable(f"flavors.{name}", "keep the folder as MLflow wrote it"):
            return name, _READERS[name](folder, task)
    coded = [name for name in CONVERTED if name in flavors]
    if coded and convert is not None:
        with readable("the conversion", "look at what it gives: a list of numbers a row"):
            return coded[0], convert(folder, coded[0])
    names = ", ".join(sorted(flavors))
    if coded:
        fix = "reading it runs code: convert it in a process apart (--convert --python PYTHON), or log it as ONNX"
        raise refused(f"{NAME}: flavors", names[:120], fix)
    fix = f"log it as one of {', '.join(_READERS)}; with --convert also sklearn or pytorch"
    raise refused(f"{NAME}: flavors", names[:120], fix)


def _rows(folder: ModelFolder, encoding: Encoding, ranges: Floats | None) -> Floats:
    """Encoded rows (n, width): the input example's, if there is one, and random ones."""
    rng, columns = np.random.default_rng(0), encoding.facts.columns
    drawn = rng.normal(size=(_ROWS, len(columns)))
    if ranges is not None:
        low, high = ranges
        drawn = low + (high - low) * rng.uniform(size=(_ROWS, len(columns)))
    for index, column in enumerate(columns):
        if column.type == "category":
            drawn[:, index] = rng.integers(-1, len(column.categories) or 1, size=_ROWS)
        elif column.type == "boolean":
            drawn[:, index] = rng.integers(0, 2, size=_ROWS)
    return np.vstack([_example(folder, encoding), drawn])


def _example(folder: ModelFolder, encoding: Encoding) -> Floats:
    """Encoded rows of the input example; none where it cannot be read."""
    path = folder.described.example
    with suppress(TropismError, msgspec.DecodeError, RecursionError, KeyError, TypeError, ValueError):
        if path:
            found = msgspec.json.decode(folder.file(path, "saved_input_example_info"))
            names = [str(name) for name in found["columns"]]
            return encoding.rows([dict(zip(names, row, strict=True)) for row in found["data"][:_ROWS]])
    return np.empty((0, len(encoding.facts.columns)))


def _sample(found: Found, rows: Floats) -> tuple[Sample, str]:
    """Rows with their scores, and what becomes of a row that lacks everything."""
    estimator = found.estimator
    finite = np.isfinite(estimator.predict(rows)).all(axis=1)
    rows = rows[finite]
    if not len(rows):
        raise refused("scores", "none is finite", "the model must give numbers for ordinary rows")
    lacking = np.full((1, rows.shape[1]), np.nan)
    scored = bool(np.isfinite(estimator.predict(lacking)).all())
    made = Sample.choose(rows, lacking if scored else rows[:1], estimator.predict)
    return made, "scored" if scored else "no score"


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def require_features(task: Task) -> None:
    """Raises `InvalidInput` for tasks without features."""
    if not task.features:
        raise InvalidInput(f"the task '{task.name}' has no features", Fault("features", "none", "apply the project"))
