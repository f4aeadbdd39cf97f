"""Flavours that are read by running code, by way of a process apart; kept only if they score as before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tropism.learners.encoding import Column, Encoding, EncodingFacts
from tropism.training.mlmodels.apart import as_settings, convert_apart
from tropism.training.mlmodels.columns import features_of
from tropism.training.mlmodels.folder import ModelFolder, refused
from tropism.training.mlmodels.lightgbm import read_lightgbm
from tropism.training.mlmodels.onnx import graph_found

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from tropism.core.task import Feature, Task
    from tropism.learners.base import Floats
    from tropism.training.mlmodels.apart import Converted
    from tropism.training.mlmodels.found import Found

LARGEST_DIFFERENCE = 1e-4
"""Between the original's scores and the converted model's: absolute, and for numbers above 1 a share of the largest."""
_ROWS = 250
_SCALES = (1.0, 10.0, 100.0, 1_000.0)


class Converter:
    """Converts one folder of this machine for one task."""

    def __init__(self, task: Task, folder: Path, python: Path, seconds: float, known: pa.Table | None = None) -> None:
        """`known`: rows of the task to compare on, with a column a feature; random ones come in any case."""
        self._task, self._folder, self._python, self._seconds = task.learnt.flat, folder, python, seconds
        self._known = known

    def __call__(self, folder: ModelFolder, flavor: str) -> Found:
        """What the conversion gives.

        Raises:
            ArtifactRefused: it fails, or the result is not served, or it scores otherwise than the original.
            InvalidInput: its columns do not fit the task.
        """
        task = self._task
        features = features_of(task, folder.described, width=folder.described.width)
        if any(one.type == "category" for one in features):
            names = ", ".join(one.name for one in features if one.type == "category")
            raise refused(f"{flavor}: categories", names[:120], "fit it on numbers, or train it here")
        rows = self._rows(features)
        found = convert_apart(
            self._folder,
            flavor,
            self._python,
            kind=task.kind,
            names=[one.name for one in features],
            rows=rows,
            seconds=self._seconds,
        )
        _require_classes(task, found)
        return self._compared(folder, found, rows)

    def _compared(self, folder: ModelFolder, found: Converted, rows: Floats) -> Found:
        task = self._task
        if found.answer.kind == "lightgbm":
            made = read_lightgbm(_text_folder(folder, found.model), task)
        else:
            made = graph_found(found.model, folder.described, task)
        wanted = np.array(found.answer.scores, np.float64)
        scores = made.estimator.predict(rows)
        if wanted.shape != scores.shape or not np.all(np.isfinite(wanted)):
            raise refused(
                "scores", f"{wanted.shape} of {len(rows)} rows", f"it must give {scores.shape[1]} numbers a row"
            )
        size = max(1.0, float(np.max(np.abs(wanted)))) if task.kind == "regression" else 1.0
        difference = float(np.max(np.abs(wanted - scores))) / size
        if not difference <= LARGEST_DIFFERENCE:
            value = f"{difference:.3g} apart on {len(rows)} rows"
            fix = f"at most {LARGEST_DIFFERENCE:g} is imported: log it as ONNX that scores alike, or train it here"
            raise refused("scores after the conversion", value, fix)
        return made._replace(checked=(difference, len(rows)), converted=as_settings(found))

    def _rows(self, features: list[Feature]) -> Floats:
        """Rows (n, width) of numbers: the task's own, and random ones of several sizes; whole numbers among them."""
        rng, width = np.random.default_rng(0), len(features)
        parts = [rng.normal(size=(_ROWS, width)) * scale for scale in _SCALES]
        parts.append(np.rint(parts[1]))
        if self._known is not None and self._known.num_rows:
            columns = Encoding(EncodingFacts("codes", tuple(Column(one.name, one.type) for one in features)))
            own = columns.matrix(self._known)
            parts.append(own[np.isfinite(own).all(axis=1)])
        rows = np.vstack(parts)
        for index, feature in enumerate(features):
            if feature.type == "boolean":
                rows[:, index] = rows[:, index] > 0
        return rows


def _text_folder(folder: ModelFolder, text: bytes) -> ModelFolder:
    """The same description, with the converted text as the file that it names."""
    described = msgspec.structs.replace(folder.described, flavors={"lightgbm": {"data": "model.txt"}})
    return ModelFolder(lambda _: text, described)


def _require_classes(task: Task, found: Converted) -> None:
    """Raises `ArtifactRefused` unless the classes are the task's, in its order."""
    classes = found.answer.classes
    if classes is None or task.kind == "regression":
        return
    wanted = list(task.classes) if task.kind == "multiclass" else ["no", "yes"]
    numbered = classes == [str(index) for index in range(len(wanted))]
    if len(classes) != len(wanted) or (task.kind == "multiclass" and classes != wanted and not numbered):
        fix = f"the task has {wanted if task.kind == 'multiclass' else 'two'}; it takes them in this order"
        raise refused("classes", str(classes)[:120], fix)
