"""ONNX graphs of others, and what a conversion gives."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tropism.core.errors import ArtifactRefused, InvalidInput, NotFound
from tropism.core.task import Feature, Task
from tropism.training.mlmodels.building import import_folder
from tropism.training.mlmodels.converting import Converter
from tropism.training.mlmodels.folder import describe, open_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[..., Path]

_COLUMNS = {"amount": "double", "age": "double"}
_WEIGHTS = np.array([[0.5, -0.5], [0.1, -0.1]], np.float32)


def _graph(nodes: list[Any], inputs: list[Any], outputs: list[Any]) -> bytes:
    weights = numpy_helper.from_array(_WEIGHTS, "w")
    made = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs, [weights]),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)],
        ir_version=8,
    )
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def _value(name: str, *dims: Any, kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, list(dims))


def _two_classes() -> bytes:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["s"]), helper.make_node("Softmax", ["s"], ["p"], axis=-1)]
    return _graph(nodes, [_value("x", None, 2)], [_value("p", None, 2)])


def _expected(amount: float, age: float) -> float:
    raised = np.exp(np.array([amount, age]) @ _WEIGHTS.astype(float))
    return float(raised[1] / raised.sum())


def test_of_two_probabilities_the_second_is_the_score(write: Write, task: Task) -> None:
    found = import_folder(open_folder(write("onnx", {"data": "model.onnx"}, _two_classes(), _COLUMNS)), task)
    score = found.model.predict_rows([{"age": 3.0, "amount": 1.5}])[0, 0]
    assert score == pytest.approx(_expected(1.5, 3.0), abs=1e-6)


def test_tensors_may_be_called_as_ours_are(write: Write, task: Task) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["input"]), helper.make_node("Softmax", ["input"], ["scores"])]
    data = _graph(nodes, [_value("x", "N", 2)], [_value("scores", "N", 2)])
    folder = write("onnx", {"data": "model.onnx"}, data, _COLUMNS)
    found = import_folder(open_folder(folder), task)
    assert found.model.predict_rows([{"age": 3.0, "amount": 1.5}])[0, 0] == pytest.approx(_expected(1.5, 3.0), abs=1e-6)


def test_columns_with_an_input_each_and_labels_beside_the_scores_are_brought_together(write: Write, task: Task) -> None:
    classifier = helper.make_node(
        "LinearClassifier",
        ["both"],
        ["label", "p"],
        domain="ai.onnx.ml",
        coefficients=_WEIGHTS.T.ravel().tolist(),
        intercepts=[0.0, 0.0],
        classlabels_ints=[0, 1],
        post_transform="SOFTMAX",
    )
    nodes = [
        helper.make_node("Cast", ["age"], ["a"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["amount", "a"], ["both"], axis=1),
        classifier,
        helper.make_node("ZipMap", ["p"], ["probabilities"], domain="ai.onnx.ml", classlabels_int64s=[0, 1]),
    ]
    zipped = helper.make_value_info(
        "probabilities",
        helper.make_sequence_type_proto(
            helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
        ),
    )
    inputs = [_value("age", None, 1, kind=TensorProto.DOUBLE), _value("amount", None, 1)]
    data = _graph(nodes, inputs, [_value("label", None, kind=TensorProto.INT64), zipped])
    found = import_folder(open_folder(write("onnx", {"data": "model.onnx"}, data)), task)
    score = found.model.predict_rows([{"age": 3.0, "amount": 1.5}])[0, 0]
    assert score == pytest.approx(_expected(1.5, 3.0), abs=1e-6)


def test_log_odds_are_no_probabilities(write: Write, task: Task) -> None:
    data = _graph([helper.make_node("MatMul", ["x", "w"], ["s"])], [_value("x", None, 2)], [_value("s", None, 2)])
    with pytest.raises(ArtifactRefused, match="probabilities, from 0 to 1"):
        import_folder(open_folder(write("onnx", {"data": "model.onnx"}, data, _COLUMNS)), task)


def test_an_operator_that_is_not_served_is_named(write: Write, task: Task) -> None:
    nodes = [helper.make_node("Sin", ["x"], ["y"]), helper.make_node("Sigmoid", ["y"], ["p"])]
    data = _graph(nodes, [_value("x", None, 2)], [_value("p", None, 2)])
    with pytest.raises(ArtifactRefused, match="Sin"):
        import_folder(open_folder(write("onnx", {"data": "model.onnx"}, data, _COLUMNS)), task)


def test_a_model_that_takes_too_few_columns_says_how_many(write: Write) -> None:
    wide = Task(name="pay", kind="binary", target="y", features=(Feature("a"), Feature("b"), Feature("c")))
    with pytest.raises(InvalidInput, match="the model takes 2, there are 3"):
        import_folder(open_folder(write("onnx", {"data": "model.onnx"}, _two_classes())), wide)


@pytest.mark.parametrize("flavor", ["sklearn", "pytorch"])
def test_what_is_read_by_running_code_is_refused_with_the_way_to_convert_it(
    write: Write, task: Task, flavor: str
) -> None:
    folder = write(flavor, {"data": "model.pkl"}, b"cos\nsystem\n(S'touch /tmp/harm'\ntR.")
    with pytest.raises(ArtifactRefused, match=rf"{flavor}.*--convert --python"):
        import_folder(open_folder(folder), task)


def test_other_flavours_are_refused_by_name(write: Write, task: Task) -> None:
    with pytest.raises(ArtifactRefused, match="prophet"):
        import_folder(open_folder(write("prophet", {"data": "m"}, b"")), task)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b", "missing.onnx", "", 7])
def test_a_file_outside_of_the_folder_is_not_read(write: Write, task: Task, path: object) -> None:
    folder = write("onnx", {}, b"")
    text = (folder / "MLmodel").read_text().replace("  onnx:\n", f"  onnx:\n    data: {path!r}\n")
    (folder / "MLmodel").write_text(text)
    with pytest.raises((ArtifactRefused, NotFound)):
        import_folder(open_folder(folder), task)


@pytest.mark.parametrize(
    "text", ["", "flavors: {}", "flavors: [1", "- 1", "flavors: {onnx: 3}", "!!python/object/apply:os.system ['x']",
             "flavors: {onnx: {}}\nsignature: {inputs: 'x'}", "a" * 300_000]
)  # fmt: skip
def test_an_mlmodel_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ArtifactRefused):
        describe(text.encode())


def _interpreter(tmp_path: Path, body: str) -> Path:
    """Something that is called as an interpreter, and answers as a conversion would."""
    made = tmp_path / "interpreter"
    head = f"#!{sys.executable}\nimport json, sys, time, pathlib\n"
    head += "asked = json.loads(pathlib.Path(sys.argv[3]).read_text())\n"
    made.write_text(head + body)
    made.chmod(made.stat().st_mode | stat.S_IXUSR)
    return made


_ANSWER = """
import math
rows = json.loads(pathlib.Path(asked["rows"]).read_text())
pathlib.Path(asked["model"]).write_bytes(bytes.fromhex({model!r}))
scores = [[1 / (1 + math.exp(min(max(1.0 * a + 0.2 * b, -700), 700))) + {off}] for a, b in rows]
pathlib.Path(asked["answer"]).write_text(json.dumps({{"kind": "onnx", "scores": scores, "classes": ["0", "1"]}}))
"""


def _converted(write: Write, task: Task, tmp_path: Path, body: str, seconds: float = 30.0) -> dict[str, Any]:
    folder = write("sklearn", {"data": "model.pkl"}, b"", _COLUMNS)
    convert = Converter(task, folder, _interpreter(tmp_path, body), seconds)
    return import_folder(open_folder(folder), task, convert).facts


def test_a_conversion_that_scores_alike_is_kept_with_its_largest_difference(
    write: Write, task: Task, tmp_path: Path
) -> None:
    facts = _converted(write, task, tmp_path, _ANSWER.format(model=_two_classes().hex(), off=0))
    assert facts["checked"]["largest_difference"] < 1e-5
    assert facts["checked"]["rows"] >= 1_000


def test_a_conversion_that_scores_otherwise_is_refused_and_says_by_how_much(
    write: Write, task: Task, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactRefused, match=r"0\.11 apart on 1250 rows"):
        _converted(write, task, tmp_path, _ANSWER.format(model=_two_classes().hex(), off=0.11))


@pytest.mark.parametrize(
    ("body", "seconds", "said"),
    [
        ("time.sleep(60)", 1.0, "--timeout"),
        ("sys.exit(3)", 30.0, "status 3"),
        ("pass", 30.0, "no answer.json"),
        ("pathlib.Path(asked['answer']).write_text('{\"error\": \"ImportError: no skl2onnx\"}')", 30.0, "no skl2onnx"),
        ("pathlib.Path(asked['answer']).write_text('[')", 30.0, "finite numbers"),
    ],
)
def test_a_conversion_that_fails_says_what_happened(
    write: Write, task: Task, tmp_path: Path, body: str, seconds: float, said: str
) -> None:
    with pytest.raises(ArtifactRefused, match=said):
        _converted(write, task, tmp_path, body, seconds)


def test_a_conversion_sees_nothing_of_the_environment(
    write: Write, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SECRET", "hidden")
    body = "import os\nsecret = os.environ.get('SOME_SECRET', 'nothing')\n"
    body += "pathlib.Path(asked['answer']).write_text(json.dumps({'error': 'seen: ' + secret}))"
    with pytest.raises(ArtifactRefused, match="seen: nothing"):
        _converted(write, task, tmp_path, body)
