"""Folders that were made to do harm, or by mistake: refused with what is wrong, in no time, and never a failure."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import pytest
import xgboost
from onnx import TensorProto, helper, numpy_helper

from tropism.core.errors import ArtifactRefused, TropismError
from tropism.training.mlmodels import folder as folders
from tropism.training.mlmodels.apart import convert_apart
from tropism.training.mlmodels.building import import_folder
from tropism.training.mlmodels.folder import ModelFolder, describe, open_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tropism.core.task import Task

    Write = Callable[..., Path]

_X = np.random.default_rng(3).normal(size=(200, 2))
_Y = (_X[:, 0] > 0).astype(int)
_NESTED = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
_MERGED = "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 10))


@pytest.mark.parametrize(
    "text",
    [
        f"a0: &a0 [x]\n{_NESTED}flavors: *a9",
        f"a0: &a0 {{x: 1}}\n{_MERGED}flavors: {{onnx: {{data: m}}}}",
        "flavors: " + "[" * 100_000,
        "{a: " * 20_000,
        "flavors: !!int ''",
        "flavors: !!bool perhaps",
        "flavors: !!timestamp soon",
        "flavors: !!python/object/apply:os.system [id]",
        """{flavors: {onnx: {}}, signature: {inputs: '[{"type": "tensor", "tensor-spec": [1]}]'}}""",
        """{flavors: {onnx: {}}, signature: {inputs: '[{"type": "tensor", "tensor-spec": {"shape": 5}}]'}}""",
    ],
)
def test_a_description_that_unfolds_or_nests_without_end_is_refused(text: str) -> None:
    with pytest.raises(ArtifactRefused):
        describe(text.encode())


def test_names_that_unfold_without_end_are_left_out() -> None:
    found = describe(f"a0: &a0 [x]\n{_NESTED}run_id: *a9\nflavors: {{onnx: {{data: m}}}}".encode())
    assert found.run_id == ""


def test_a_file_of_more_bytes_than_a_model_has_is_refused(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_FILE", 100)
    held = {"MLmodel": b"flavors: {lightgbm: {data: m}}", "m": b"x" * 101}
    with pytest.raises(ArtifactRefused, match="101 bytes; a file has at most 100"):
        import_folder(ModelFolder(held.__getitem__), task)


def _paths(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    return [above, *(path for key, one in inner for path in _paths(one, (*above, key)))]


def test_xgboost_with_any_part_replaced_is_imported_or_refused(write: Write, task: Task) -> None:
    rows = xgboost.DMatrix(_X, _Y, feature_names=["amount", "age"])
    whole = bytes(xgboost.train({"objective": "binary:logistic", "nthread": 1}, rows, 2).save_raw("json"))
    odd: list[Any] = [None, [], {}, "", -1, 2**40, "abc", "\u00b2", [[]], {"a": 1}]
    rng = random.Random(1)
    for path in _paths(json.loads(whole))[1:]:
        made = json.loads(whole)
        at = made
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = rng.choice(odd)
        settings = {"data": "m", "model_class": "xgboost.sklearn.XGBClassifier"}
        folder = open_folder(write("xgboost", settings, json.dumps(made).encode()))
        try:
            import_folder(folder, task)
        except TropismError as error:
            assert error.faults


@pytest.mark.parametrize("infos", ["[..e:1] [0:1]", "[0:1]", "[0:1] [0:1] [0:1]", "none none"])
def test_lightgbm_with_odd_ranges_is_imported_or_refused(write: Write, task: Task, infos: str) -> None:
    data = lightgbm.Dataset(_X, _Y, feature_name=["amount", "age"])
    text = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 2).model_to_string()
    lines = [f"feature_infos={infos}" if one.startswith("feature_infos=") else one for one in text.split("\n")]
    folder = open_folder(write("lightgbm", {"data": "m"}, "\n".join(lines).encode()))
    try:
        import_folder(folder, task)
    except ArtifactRefused as error:
        assert error.faults


def test_an_input_example_that_does_not_fit_is_left_out(write: Write, task: Task) -> None:
    data = lightgbm.Dataset(_X, _Y, feature_name=["amount", "age"])
    text = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 2).model_to_string()
    path = write("lightgbm", {"data": "m"}, text.encode())
    about = "saved_input_example_info: {type: dataframe, pandas_orient: split, artifact_path: e.json}\n"
    (path / "MLmodel").write_text((path / "MLmodel").read_text() + about)
    for rows in ([["x", "y"]], [[[1], {}]], {"a": 1}, [5]):
        (path / "e.json").write_text(json.dumps({"columns": ["amount", "age"], "data": rows}))
        assert import_folder(open_folder(path), task).flavor == "lightgbm"


def _node(operator: str, inputs: list[str], outputs: list[str], **said: Any) -> Any:
    return helper.make_node(operator, inputs, outputs, domain="ai.onnx.ml", **said)


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Identity", ["q"], ["p"]), helper.make_node("Identity", ["p"], ["q"])],
        [helper.make_node("Identity", ["x"], [])],
        [helper.make_node("Identity", [], ["p"])],
        [_node("LinearClassifier", ["x"], ["l"])],
        [_node("LinearClassifier", ["x"], ["l", "p"])],
        [_node("LinearClassifier", ["x"], ["l", "p"], coefficients=[1.0, 2.0, 3.0], classlabels_ints=[0, 1])],
        [_node("LinearRegressor", ["x"], ["p"], coefficients="abc", targets=1)],
        [_node("Scaler", [], ["p"])],
        [_node("Imputer", ["x"], ["p"], imputed_value_floats=3, replaced_value_float="x")],
        [_node("TreeEnsembleClassifier", ["x"], ["l", "p"], class_ids=5, classlabels_ints=3)],
        [_node("ZipMap", [], ["p"])],
    ],
)
def test_graphs_that_go_in_circles_or_lack_parts_are_refused(write: Write, task: Task, nodes: list[Any]) -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in ("x", "p")]
    made = helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:]))
    folder = open_folder(write("onnx", {"data": "m"}, made.SerializeToString()))
    with pytest.raises(ArtifactRefused):
        import_folder(folder, task)


def test_numbers_in_another_file_are_not_read(write: Write, task: Task) -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in ("x", "p")]
    weights = numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="/etc/hostname")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"])]
    made = helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:], [weights]))
    with pytest.raises(ArtifactRefused):
        import_folder(open_folder(write("onnx", {"data": "m"}, made.SerializeToString())), task)


@pytest.mark.parametrize("kind", ["loop", "elsewhere", "nowhere", "pipe"])
def test_a_conversion_takes_no_folder_with_links_or_pipes(write: Write, tmp_path: Path, kind: str) -> None:
    folder = write("sklearn", {"data": "m"}, b"")
    if kind == "pipe":
        os.mkfifo(folder / "odd")
    else:
        (folder / "odd").symlink_to({"loop": folder, "elsewhere": tmp_path, "nowhere": tmp_path / "none"}[kind])
    rows = np.zeros((1, 1))
    with pytest.raises(ArtifactRefused, match='folder: got "odd"; it has files and folders only'):
        convert_apart(folder, "sklearn", tmp_path / "python", kind="binary", names=["a"], rows=rows, seconds=1)
