from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.unit.learners.onnx_graphs import stumps, trees

from tropism.core.errors import ArtifactRefused
from tropism.learners import onnx_trees
from tropism.learners.base import Shape
from tropism.learners.onnx_audit import audit
from tropism.learners.onnx_model import OnnxModel

SHAPE = Shape("regression", 1, 4)


def test_sound_trees_pass_and_score() -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    model = OnnxModel(trees().SerializeToString(), SHAPE)
    found = model.predict(np.array([[0.0] * 4, [1.0] * 4, [np.nan] * 4]))
    assert found[:, 0].tolist() == [0.25, 0.75, 0.25]
    audit(trees(aggregate_function="AVERAGE", base_values=[0.5], post_transform="LOGISTIC").SerializeToString(), SHAPE)


@pytest.mark.parametrize(
    "change",
    [
        {"nodes_featureids": [4, 0, 0]},
        {"nodes_featureids": [-1, 0, 0]},
        {"nodes_featureids": [0, 0]},
        {"nodes_featureids": None},
        {"nodes_truenodeids": [0, 0, 0]},
        {"nodes_truenodeids": [3, 0, 0]},
        {"nodes_truenodeids": [2**40, 0, 0]},
        {"nodes_nodeids": [0, 1, 1]},
        {"nodes_treeids": [0, 0, 1]},
        {"nodes_values": [float("nan"), 0.0, 0.0]},
        {"nodes_values": [float("inf"), 0.0, 0.0]},
        {"nodes_values": [0.5]},
        {"nodes_modes": ["BRANCH_LEQ", "LEAF"]},
        {"nodes_modes": ["BRANCH_JMP", "LEAF", "LEAF"]},
        {"nodes_modes": None},
        {"nodes_hitrates": [1.0]},
        {"target_nodeids": [0, 2]},
        {"target_nodeids": [1, 7]},
        {"target_ids": [0, 1]},
        {"target_ids": [0]},
        {"target_weights": [0.25, float("inf")]},
        {"n_targets": 0},
        {"n_targets": 2**31},
        {"base_values": [1.0, 2.0]},
        {"aggregate_function": "MEDIAN"},
        {"post_transform": "EXEC"},
        {"more": 1},
    ],
)
def test_what_could_not_be_followed_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ArtifactRefused):
        audit(trees(**change).SerializeToString(), SHAPE)


def chain(depth: int, **attributes: Any) -> dict[str, Any]:
    """Nodes 0 to depth-1 lead to the next or to the one leaf after them all."""
    nodes = depth + 1
    return stumps(
        nodes_treeids=[0] * nodes,
        nodes_nodeids=list(range(nodes)),
        nodes_featureids=[0] * nodes,
        nodes_values=[0.0] * nodes,
        nodes_modes=["BRANCH_EQ"] * depth + ["LEAF"],
        nodes_truenodeids=[depth] * depth + [0],
        nodes_falsenodeids=[*range(1, nodes), 0],
        nodes_missing_value_tracks_true=None,
        target_treeids=[0],
        target_nodeids=[depth],
        target_ids=[0],
        target_weights=[1.0],
        **attributes,
    )


def check(attributes: dict[str, Any]) -> int:
    numbers = {
        name: np.array(value, np.float32) for name, value in attributes.items() if name.endswith(("values", "weights"))
    }
    return onnx_trees.check_trees("node", {**attributes, **numbers}, 4)


def test_nodes_may_share_a_leaf_but_not_lead_back_or_go_too_deep() -> None:
    assert check(chain(100)) == 1
    assert check(chain(onnx_trees.MOST_DEPTH - 1)) == 1
    with pytest.raises(ArtifactRefused, match="leads back"):
        check(chain(onnx_trees.MOST_DEPTH))
    back = chain(100)
    back["nodes_falsenodeids"][50] = 10
    with pytest.raises(ArtifactRefused, match="leads back"):
        check(back)
    itself = chain(100)
    itself["nodes_falsenodeids"][99] = 99
    with pytest.raises(ArtifactRefused, match="leads back"):
        check(itself)


def test_absurdly_many_nodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_trees, "MOST_NODES", 100)
    with pytest.raises(ArtifactRefused, match="1 to 100"):
        check(chain(100))
