"""Turns a model that is read by running code into ONNX or LightGBM text. Runs in an interpreter of the user's.

    python -I conversion.py request.json

It knows nothing of the rest of this package, and nothing imports it. What it loads may do anything, so limits are
set first. The request names the folder, the flavour, the kind of the task and a file of rows; the answer is a file
with the original's scores of those rows, beside the converted model.
"""

from __future__ import annotations

import json
import resource
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("mlflow", "mlflow-skinny", "scikit-learn", "skl2onnx", "onnx", "torch", "lightgbm", "numpy")
_OPSETS = {"": 17, "ai.onnx.ml": 3}


def _limit(asked: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(asked["seconds"]) + 1, int(asked["seconds"]) + 1))
    resource.setrlimit(resource.RLIMIT_AS, (asked["memory"], asked["memory"]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (asked["file"], asked["file"]))


def _sklearn(asked: dict[str, Any], rows: Any) -> dict[str, Any]:
    model = import_module("mlflow.sklearn").load_model(asked["folder"])
    if type(model).__module__.startswith("lightgbm."):
        return _boosted(asked, rows, model)
    numpy, skl2onnx = import_module("numpy"), import_module("skl2onnx")
    single = rows.astype(numpy.float32)
    options = {"zipmap": False} if hasattr(model, "predict_proba") else None
    named, given = rows, single[:1]
    if hasattr(model, "feature_names_in_"):
        frame = import_module("pandas").DataFrame
        named = frame(rows, columns=asked["names"])
        if hasattr(model, "transformers") or any(
            hasattr(one, "transformers") for _, one in getattr(model, "steps", ())
        ):
            given = frame(given, columns=asked["names"])
    made = skl2onnx.to_onnx(
        model, given, target_opset=_OPSETS, options=None if options is None else {id(model): options}
    )
    Path(asked["model"]).write_bytes(made.SerializeToString())
    return {"kind": "onnx", **_scores(model, named, asked["kind"])}


def _lightgbm(asked: dict[str, Any], rows: Any) -> dict[str, Any]:
    return _boosted(asked, rows, import_module("mlflow.lightgbm").load_model(asked["folder"]))


def _boosted(asked: dict[str, Any], rows: Any, model: Any) -> dict[str, Any]:
    """A booster of LightGBM, or a class of its that looks like scikit-learn's."""
    booster = getattr(model, "booster_", model)
    Path(asked["model"]).write_text(booster.model_to_string())
    if booster is model:
        return {"kind": "lightgbm", "scores": booster.predict(rows).reshape(len(rows), -1).tolist(), "classes": None}
    named = import_module("pandas").DataFrame(rows, columns=model.feature_name_)
    return {"kind": "lightgbm", **_scores(model, named, asked["kind"])}


def _pytorch(asked: dict[str, Any], rows: Any) -> dict[str, Any]:
    torch = import_module("torch")
    model = import_module("mlflow.pytorch").load_model(asked["folder"], map_location="cpu")
    try:
        model.eval()
    except NotImplementedError:  # an exported program (pt2): it has no modes, and its exporter must not ask for them
        model = _modeless(torch, model)
    given = torch.tensor(rows, dtype=torch.float32)
    with torch.no_grad():
        scores = model(given).numpy()
    settings = {"input_names": ["input"], "output_names": ["scores"], "dynamic_axes": {"input": {0: "N"}}}
    try:
        torch.onnx.export(model, (given[:2],), asked["model"], dynamo=False, opset_version=17, **settings)
    except TypeError:  # before 2.5 there was one exporter
        torch.onnx.export(model, (given[:2],), asked["model"], opset_version=17, **settings)
    scores = scores.reshape(len(rows), -1)
    return {"kind": "onnx", "scores": scores[:, -1:].tolist() if _binary(asked, scores) else scores.tolist()}


def _modeless(torch: Any, program: Any) -> Any:
    """A module that runs a program and does not know it as a part of its own."""
    for one in program.parameters():
        one.requires_grad_(False)
    made = torch.nn.Module()
    made.forward = program.forward
    return made


def _binary(asked: dict[str, Any], scores: Any) -> bool:
    return bool(asked["kind"] == "binary" and scores.shape[1] == 2)


def _scores(model: Any, rows: Any, kind: str) -> dict[str, Any]:
    """Probabilities, of two classes the second's; numbers for a regression."""
    if kind == "regression":
        return {"scores": model.predict(rows).reshape(len(rows), -1).tolist(), "classes": None}
    if not hasattr(model, "predict_proba"):
        raise TypeError(f"{type(model).__name__} gives no probabilities")
    scores, classes = model.predict_proba(rows), [str(one) for one in model.classes_]
    return {"scores": (scores[:, 1:] if kind == "binary" else scores).tolist(), "classes": classes}


def _told(error: BaseException) -> str:
    """What went wrong first: what was raised because of it may quote the whole model."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"[:1_000]


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def main(path: str) -> int:
    """Reads the request, converts, writes the answer; what goes wrong is in the answer too."""
    asked = json.loads(Path(path).read_text())
    _limit(asked)
    try:
        rows = import_module("numpy").array(json.loads(Path(asked["rows"]).read_text()), "float64")
        work = {"sklearn": _sklearn, "lightgbm": _lightgbm, "pytorch": _pytorch}[asked["flavor"]]
        answer = {**work(asked, rows), "packages": _versions()}
    except Exception as error:  # noqa: BLE001 - whoever asked is told
        answer = {"error": _told(error)}
    Path(asked["answer"]).write_text(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
