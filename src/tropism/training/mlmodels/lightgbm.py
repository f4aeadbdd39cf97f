"""LightGBM's text, as MLflow keeps it, brought into the form that the audit lets pass."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tropism.learners.base import Shape
from tropism.learners.encoding import Column
from tropism.learners.lightgbm_text import canonical, column_names
from tropism.learners.trees import TreeEnsemble
from tropism.training.mlmodels.columns import features_of
from tropism.training.mlmodels.folder import refused, text_of
from tropism.training.mlmodels.found import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Feature, Task
    from tropism.learners.base import Floats
    from tropism.training.mlmodels.folder import ModelFolder

_KEPT = ("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx")
_IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
_RANGE = re.compile(r"\[([0-9+\-.e]+):([0-9+\-.e]+)\]")
_CATEGORIES = "\npandas_categorical:"


def read_lightgbm(folder: ModelFolder, task: Task) -> Found:
    """The trees of the flavour `lightgbm`.

    Raises:
        NotFound: the file is not there.
        ArtifactRefused: it is no LightGBM text, or says what is not served here.
        InvalidInput: its columns do not fit the task.
    """
    settings = folder.described.flavors["lightgbm"]
    data = folder.file(settings.get("data"), "flavors.lightgbm.data")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_text(settings) from error
    if not text.startswith("tree\n") or "\nend of trees\n" not in text or "\n\n" not in text:
        raise _not_text(settings)
    head, _, body = text.partition("\n\n")
    header = {key: value for key, _, value in (line.partition("=") for line in head.split("\n"))}
    names = header.get("feature_names", "").split(" ")
    features = features_of(task, folder.described, names, len(names))
    columns = _columns(features, _pandas(text), _split_by_sets(header, len(names)))
    shape = Shape.of(task, len(names))
    lines = ["tree", *(f"{name}={header.get(name, '')}" for name in _KEPT)]
    lines.append(f"objective={_objective(header.get('objective', ''), task)}")
    lines += ["average_output"] if "average_output" in header else []
    lines.append(f"feature_names={' '.join(column_names(len(names)))}")
    lines += [f"{name}={header.get(name, '')}" for name in ("feature_infos", "tree_sizes")]
    try:
        made = canonical("\n".join(lines) + "\n\n" + body)
    except UnicodeEncodeError as error:
        raise refused("model", "other characters", "LightGBM writes ASCII") from error
    return Found(TreeEnsemble(made, shape), columns, _ranges(header.get("feature_infos", "")))


def _not_text(settings: dict[str, Any]) -> Exception:
    kind = text_of(settings.get("model_class"))
    fix = (
        "log its `booster_` instead, or convert it: --convert" if "sklearn" in kind else "keep it as LightGBM wrote it"
    )
    return refused("flavors.lightgbm.data", f"{settings.get('data')}, no LightGBM text", fix)


def _objective(said: str, task: Task) -> str:
    """The objective under the name of one that links alike."""
    first = said.split(" ")[0]
    if task.kind == "regression" and first in _IDENTITY and "sqrt" not in said:
        return "regression"
    if task.kind == "binary" and (first == "cross_entropy" or said.split(" ")[:2] == ["binary", "sigmoid:1"]):
        return "binary sigmoid:1"
    wanted = {
        "binary": "binary or cross_entropy",
        "multiclass": f"multiclass with {len(task.classes)} classes",
        "regression": f"one of {', '.join(_IDENTITY)}",
    }[task.kind]
    if task.kind == "multiclass" and said == f"multiclass num_class:{len(task.classes)}":
        return said
    raise refused("objective", repr(said)[:80], f"a {task.kind} task takes {wanted}")


def _pandas(text: str) -> list[list[Any]]:
    """The categories of the columns that were categorical in pandas, in the order of those columns."""
    found = text.rpartition(_CATEGORIES)[2] if _CATEGORIES in text else "null"
    try:
        return msgspec.json.decode(found.strip(), type=list[list[Any]] | None) or []
    except msgspec.DecodeError as error:
        raise refused("pandas_categorical", found[:80], "keep it as LightGBM wrote it") from error


def _split_by_sets(header: dict[str, str], width: int) -> list[bool]:
    infos = header.get("feature_infos", "").split(" ")
    return [info != "none" and not info.startswith("[") for info in infos] if len(infos) == width else [False] * width


def _columns(features: Sequence[Feature], pandas: list[list[Any]], sets: Sequence[bool]) -> tuple[Column, ...]:
    categorical = [feature for feature in features if feature.type == "category"]
    if len(categorical) != len(pandas):
        fix = "fit it on a pandas frame whose text columns are categorical, and on no others"
        raise refused("pandas_categorical", f"{len(pandas)} columns, the task has {len(categorical)} categories", fix)
    if any(not isinstance(one, str) for some in pandas for one in some):
        raise refused("pandas_categorical", "values that are no text", "the task's categories are text")
    kept = {feature.name: tuple(some) for feature, some in zip(categorical, pandas, strict=True)}
    for feature, by_sets in zip(features, sets, strict=True):
        if by_sets and feature.type == "boolean":
            fix = "declare it as a category, or fit the model on it as a number"
            raise refused(f"feature {feature.name}", "split by sets of categories", fix)
    return tuple(Column(one.name, one.type, kept.get(one.name, ())) for one in features)


def _ranges(infos: str) -> Floats:
    found = [_RANGE.fullmatch(info) for info in infos.split(" ")]
    return np.array([[float(one[1]), float(one[2])] if one else [0.0, 1.0] for one in found]).T
