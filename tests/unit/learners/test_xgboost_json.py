"""The audit of XGBoost's JSON. Each case changes one thing in a sound model."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from tropism.core.errors import ArtifactRefused
from tropism.learners import xgboost_json
from tropism.learners.base import Shape
from tropism.learners.xgboost_json import audit, canonical
from tropism.learners.xgboost_trees import XGBoostTrees

xgboost = pytest.importorskip("xgboost", reason="needs the extra 'xgboost'")
SHAPE = Shape("binary", 1, 3)


@pytest.fixture(scope="module")
def model() -> bytes:
    """Six trees over two numbers and a category, with sets of categories and missing values."""
    rng = np.random.default_rng(3)
    matrix = np.column_stack([rng.normal(size=(800, 2)), rng.integers(0, 40, 800)]).astype(np.float64)
    labels = (matrix[:, 0] + (matrix[:, 2] % 3 == 0) + rng.normal(size=800) > 0.3).astype(np.float64)
    matrix[rng.random((800, 3)) < 0.1] = np.nan
    rows = xgboost.DMatrix(matrix, labels, feature_types=["q", "q", "c"], enable_categorical=True)
    settings = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1}
    data = canonical(xgboost.train(settings, rows, 6).save_raw("json"))
    assert any(
        tree["categories"] for tree in msgspec.json.decode(data)["learner"]["gradient_booster"]["model"]["trees"]
    )
    return data


def trees(file: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = file["learner"]["gradient_booster"]["model"]["trees"]
    return found


def edited(model: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    file = msgspec.json.decode(model)
    change(file)
    return msgspec.json.encode(file)


def refused(data: bytes, shape: Shape = SHAPE) -> str:
    with pytest.raises(ArtifactRefused) as caught:
        audit(data, shape)
    return caught.value.faults[0].field


def put(field: str, index: int, value: Any, tree: int = 0) -> Callable[[dict[str, Any]], None]:
    def change(file: dict[str, Any]) -> None:
        trees(file)[tree][field][index] = value

    return change


def with_set(file: dict[str, Any]) -> dict[str, Any]:
    return next(tree for tree in trees(file) if tree["categories"])


def test_a_sound_model_passes_and_xgboost_can_load_it(model: bytes) -> None:
    forest = audit(model, SHAPE)
    assert (len(forest.trees), forest.categorical) == (6, (2,))
    assert canonical(model) == model
    assert xgboost.Booster(model_file=bytearray(model)).num_boosted_rounds() == 6
    for cut in (model[:-1], model[: len(model) // 2], b"", b"{", b"\xff", b"[" * 100_000):
        assert refused(cut) == "model.json"


@pytest.mark.parametrize(
    "change",
    [
        put("split_indices", 0, 3),
        put("split_indices", 0, -1),
        put("split_indices", 0, 2**70),
        put("split_indices", 0, 0.5),
        put("left_children", 0, 10_000),
        put("left_children", 0, 0),
        put("left_children", 0, -1),
        put("left_children", 0, -2),
        put("left_children", -1, 1),
        put("right_children", 0, 1),
        put("parents", 0, 0),
        put("parents", 1, 5),
        put("split_conditions", 0, 1e39),
        put("split_conditions", -1, 2e30),
        put("split_conditions", 0, None),
        put("base_weights", 0, 1e300),
        put("sum_hessian", 0, -1.0),
        put("loss_changes", 0, 1e39),
        put("default_left", 0, 2),
        put("default_left", 0, True),
        put("split_type", 0, 2),
        lambda file: trees(file)[0]["split_type"].__setitem__(0, 1 - trees(file)[0]["split_type"][0]),
        lambda file: trees(file)[0]["left_children"].pop(),
        lambda file: trees(file)[0]["sum_hessian"].append(1.0),
        lambda file: trees(file)[0].update(id=1),
        lambda file: trees(file)[0].update(leaf_coefficients=[1.0]),
        lambda file: trees(file)[0].pop("parents"),
        lambda file: trees(file)[0]["tree_param"].update(num_nodes="99999999"),
        lambda file: trees(file)[0]["tree_param"].update(num_deleted="1"),
        lambda file: trees(file)[0]["tree_param"].update(size_leaf_vector="3"),
        lambda file: with_set(file)["categories"].__setitem__(0, -1),
        lambda file: with_set(file)["categories"].__setitem__(0, 2_000_000_000),
        lambda file: with_set(file)["categories_sizes"].__setitem__(0, 0),
        lambda file: with_set(file)["categories_sizes"].__setitem__(0, 10**9),
        lambda file: with_set(file)["categories_segments"].__setitem__(0, 1),
        lambda file: with_set(file)["categories_nodes"].__setitem__(0, 0),
        lambda file: with_set(file)["categories_nodes"].pop(),
        lambda file: with_set(file)["categories"].append(1),
    ],
    ids=range(38),
)
def test_a_number_that_could_not_be_followed_is_refused(model: bytes, change: Callable[[dict[str, Any]], None]) -> None:
    assert refused(edited(model, change)) != ""


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.update(version=[2, 1, 0]),
        lambda file: file.update(hook="os.system"),
        lambda file: file["learner"]["attributes"].update(best="1"),
        lambda file: file["learner"].update(feature_names=["a", "b", "c"]),
        lambda file: file["learner"].update(feature_types=["q"]),
        lambda file: file["learner"].update(feature_types=["q", "q", "int"]),
        lambda file: file["learner"].update(feature_types=["q", "q", "q"]),
        lambda file: file["learner"]["objective"].update(name="reg:squarederror"),
        lambda file: file["learner"]["objective"].update(reg_loss_param={"scale_pos_weight": "9"}),
        lambda file: file["learner"]["gradient_booster"].update(name="dart"),
        lambda file: file["learner"]["gradient_booster"]["model"].update(trees=[]),
        lambda file: file["learner"]["gradient_booster"]["model"]["gbtree_model_param"].update(num_trees="7"),
        lambda file: file["learner"]["gradient_booster"]["model"]["gbtree_model_param"].update(num_parallel_tree="2"),
        lambda file: file["learner"]["gradient_booster"]["model"]["tree_info"].__setitem__(0, 1),
        lambda file: file["learner"]["gradient_booster"]["model"]["iteration_indptr"].__setitem__(0, 1),
        lambda file: file["learner"]["gradient_booster"]["model"]["cats"].update(enc=[None]) or None,
        lambda file: file["learner"]["learner_model_param"].update(num_feature="4"),
        lambda file: file["learner"]["learner_model_param"].update(num_class="2"),
        lambda file: file["learner"]["learner_model_param"].update(num_target="2"),
        *(
            lambda file, text=text: file["learner"]["learner_model_param"].update(base_score=text)
            for text in (
                "",
                "nan",
                "[0E0]",
                "[1E0]",
                "[2]",
                "[5E-1,5E-1]",
                "[1e999]",
                "[--1]",
                "[0.5" + "0" * 1_000 + "]",
            )
        ),
    ],
    ids=range(28),
)
def test_a_header_that_does_not_fit_is_refused(model: bytes, change: Callable[[dict[str, Any]], None]) -> None:
    data = edited(model, change)
    if msgspec.json.decode(data)["learner"]["gradient_booster"]["model"]["cats"]["enc"] == [None]:
        audit(data, SHAPE)  # categories that XGBoost would name itself say nothing to us
        return
    refused(data)


def test_another_shape_is_refused(model: bytes) -> None:
    for shape in (SHAPE._replace(width=4), Shape("multiclass", 3, 3), Shape("regression", 1, 3)):
        refused(model, shape)


def test_cycles_and_nodes_with_two_parents_are_refused(model: bytes) -> None:
    def cycle(file: dict[str, Any]) -> None:
        tree = trees(file)[0]
        inner = [node for node, left in enumerate(tree["left_children"]) if left != -1 and node]
        tree["left_children"][inner[0]], tree["left_children"][0] = inner[0], tree["left_children"][inner[0]]

    assert refused(edited(model, cycle)) == "trees.0.left_children"


def test_absurd_sizes_are_refused_before_anything_is_read(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xgboost_json, "MOST_BYTES", 1_000)
    assert refused(model) == "size"
    monkeypatch.undo()
    monkeypatch.setattr(xgboost_json, "MOST_TREES", 5)
    assert refused(model) == "trees"


def test_flipped_bits_are_refused_or_leave_a_model_that_scores(model: bytes) -> None:
    """Whatever passes the audit goes on to native code, which must take it."""
    chance, rows = random.Random(4), np.random.default_rng(0).normal(size=(5, 3))
    outcomes = {"refused": 0, "served": 0}
    for _ in range(400):
        data = bytearray(model)
        for _ in range(chance.choice((1, 1, 3))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            scores = XGBoostTrees(bytes(data), SHAPE).predict(rows)
        except ArtifactRefused:
            outcomes["refused"] += 1
            continue
        assert scores.shape == (5, 1)
        assert np.all((scores >= 0) & (scores <= 1))
        outcomes["served"] += 1
    assert min(outcomes.values()) > 20
