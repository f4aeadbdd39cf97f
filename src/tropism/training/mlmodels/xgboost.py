"""XGBoost's own files, JSON or UBJSON, as MLflow keeps them, brought into the form that the audit lets pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import ArtifactRefused
from tropism.learners.base import Shape
from tropism.learners.encoding import Column
from tropism.learners.xgboost_trees import XGBoostTrees
from tropism.training.mlmodels.columns import features_of
from tropism.training.mlmodels.folder import refused, text_of
from tropism.training.mlmodels.found import Found
from tropism.training.mlmodels.ubjson import read_ubjson

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.training.mlmodels.folder import ModelFolder

_REQUIRED = (
    "learner.learner_model_param.num_feature",
    "learner.objective.name",
    "learner.gradient_booster.name",
    "learner.gradient_booster.model.trees",
    "learner.gradient_booster.model.iteration_indptr",
)
_OBJECTIVES = {
    "binary": ("binary:logistic",),
    "multiclass": ("multi:softprob", "multi:softmax"),
    "regression": ("reg:squarederror", "reg:absoluteerror"),
}


def read_xgboost(folder: ModelFolder, task: Task) -> Found:
    """The trees of the flavour `xgboost`.

    A model of XGBoost's scikit-learn interface that stopped early ends with its best round, as it does there.

    Raises:
        NotFound: the file is not there.
        ArtifactRefused: it is none of XGBoost 3, or says what is not served here.
        InvalidInput: its columns do not fit the task.
    """
    settings = folder.described.flavors["xgboost"]
    data = folder.file(settings.get("data"), "flavors.xgboost.data")
    file = _read(data)
    for path in _REQUIRED:
        _require(file, path)
    learner = file["learner"]
    if file.get("version", [0])[0] != 3:
        fix = "load it with XGBoost 3 and log it again"
        raise refused("version", str(file.get("version"))[:40], fix)
    names = [str(name) for name in learner.get("feature_names") or ()]
    width = int(learner["learner_model_param"]["num_feature"])
    features = features_of(task, folder.described, names, width)
    _require_numbers(learner, [feature.name for feature in features if feature.type == "category"])
    _normalise(learner, task)
    if "sklearn" in text_of(settings.get("model_class")):
        _end_early(learner)
    learner.update(attributes={}, feature_names=[], feature_types=[])
    try:
        made = msgspec.json.encode(file, order="deterministic")
        estimator = XGBoostTrees(made, Shape.of(task, width))
    except (ValueError, OverflowError) as error:
        raise refused("model", str(error)[:80], "keep it as XGBoost wrote it") from error
    return Found(estimator, tuple(Column(one.name, one.type) for one in features))


def _read(data: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(data) if data[:2] in (b'{"', b"{ ", b"{\n") else read_ubjson(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise refused("model", str(error)[:80], "keep it as XGBoost wrote it") from error
    if not isinstance(found, dict):
        raise refused("model", type(found).__name__, "keep it as XGBoost wrote it")
    return found


def _require(file: dict[str, Any], path: str) -> None:
    found: Any = file
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            raise refused(path, "missing", "keep the model as XGBoost 3 wrote it; only trees are served")
        found = found[name]


def _require_numbers(learner: dict[str, Any], categories: list[str]) -> None:
    cats = learner["gradient_booster"]["model"].get("cats") or {}
    by_sets = "c" in (learner.get("feature_types") or ()) or bool(isinstance(cats, dict) and cats.get("enc"))
    if categories or by_sets:
        value = ", ".join(categories) or "its own categories"
        raise refused("feature_types", value[:80], "XGBoost's categories are not imported; train on numbers, or here")


def _normalise(learner: dict[str, Any], task: Task) -> None:
    """Puts what does not matter to scores as the audit wants it."""
    objective = learner["objective"]
    name = objective["name"]
    if name not in _OBJECTIVES[task.kind]:
        fix = f"a {task.kind} task takes {' or '.join(_OBJECTIVES[task.kind])}"
        raise refused("objective", repr(name)[:80], fix)
    if "reg_loss_param" in objective:  # weighs examples in training
        objective["reg_loss_param"] = {"scale_pos_weight": "1"}
    if name == "multi:softmax":  # the class of the largest softmax
        objective["name"] = "multi:softprob"


def _end_early(learner: dict[str, Any]) -> None:
    """Leaves out the rounds after the best one."""
    best = (learner.get("attributes") or {}).get("best_iteration")
    model = learner["gradient_booster"]["model"]
    rounds = model["iteration_indptr"]
    if best is None or not str(best).isdigit() or int(best) + 1 >= len(rounds) - 1:
        return
    end = rounds[int(best) + 1]
    try:
        model["iteration_indptr"] = rounds[: int(best) + 2]
        model["trees"], model["tree_info"] = model["trees"][:end], model["tree_info"][:end]
        model["gbtree_model_param"]["num_trees"] = str(end)
    except (KeyError, TypeError) as error:
        raise ArtifactRefused("the model was not imported") from error
