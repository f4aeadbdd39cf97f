"""Writes a model as a folder that scores rows with ONNX Runtime alone: on a phone, a gateway, a machine without us."""

from __future__ import annotations

import errno
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from tropism.core.errors import DiskFull, Fault, InvalidInput, NotWritable
from tropism.learners.encoding import CLIP
from tropism.learners.model import Model
from tropism.learners.onnx_model import FILE, OnnxModel
from tropism.training.edge.made_up import made_up_rows
from tropism.training.optimise.graphs import constants_of, graph_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.core.task import Task
    from tropism.learners.base import Floats

CHECKS = 64
_EXACT, _EIGHT_BITS, _HALVES = 1e-5, 1e-3, 5e-3
_SLACK = 4.0
_README = """\
{task}, version {version}: a {kind} model that runs without Tropism.

Needs Python 3.10 or later and one package:  pip install onnxruntime

  python runner.py rows.json    predictions of an object, a list of objects, or one object a line
  python runner.py --check      scores {checks} rows and compares with what the server says of them

Features: {features}

model.onnx      the model: float32 (rows, columns) to float32 (rows, scores)
encoding.json   how features become columns, and scores probabilities
checks.json     made-up rows, no customer's, with the server's scores
runner.py       the script; copy what it does where there is no Python

Scores equal the server's to within {tolerance:.1g}. Features are compared in single precision: a number within
a ten-millionth of where a tree splits may come to the other side.
"""


class Bundle(NamedTuple):
    """What was written: bytes in all, and how far scores may be from the server's."""

    folder: Path
    size: int
    tolerance: float


def write_bundle(model: Model, task: Task, version: int, folder: Path) -> Bundle:
    """Writes the bundle of a version of a task's model; a folder that has one is overwritten.

    Raises:
        InvalidInput: the model cannot be said in ONNX, or ONNX does not say the same.
        NotWritable, DiskFull: the folder cannot be written.
        MissingExtra: `onnx` or `onnxruntime` is not installed.
    """
    proto = graph_of(model)
    if proto is None:
        fix = "name another version, such as the one that it was made from"
        what = f"{task.name}:{version} ({model.origin.learner}) cannot be said in ONNX"
        raise InvalidInput(what, Fault("version", model.estimator.format, fix))
    data: bytes = proto.SerializeToString(deterministic=True)
    rows = made_up_rows(model, task, proto, CHECKS)
    expected = model.predict_rows(rows)
    tolerance = _tolerance(model, proto, data, rows, expected)
    facts = encoding_facts(model, task)
    readme = _README.format(
        task=task.name,
        version=version,
        kind=task.kind,
        checks=CHECKS,
        features=", ".join(f"{column['name']} ({column['type']})" for column in facts["columns"]),
        tolerance=tolerance,
    )
    checks = {"tolerance": tolerance, "rows": rows, "scores": expected.tolist()}
    files = {
        FILE: data,
        "encoding.json": msgspec.json.format(msgspec.json.encode(facts)),
        "checks.json": msgspec.json.encode(checks),
        "runner.py": resources.files("tropism.training.edge").joinpath("runner.py").read_bytes(),
        "README.txt": readme.encode(),
    }
    _write(folder, files)
    return Bundle(folder, sum(map(len, files.values())), tolerance)


def encoding_facts(model: Model, task: Task) -> dict[str, Any]:
    """What `encoding.json` holds: features in order with their codes, moments and defaults, and the calibration."""
    features = {feature.name: feature for feature in task.features}
    columns = []
    for column in model.encoding.facts.columns:
        facts: dict[str, Any] = {"name": column.name, "type": column.type, "nullable": True}
        if column.type == "category":
            facts["codes"] = {category: code for code, category in enumerate(column.categories)}
        elif model.encoding.facts.style == "standard":
            facts |= {"mean": column.mean, "scale": column.scale}
        feature = features.get(column.name)
        if feature is not None:
            facts["nullable"] = feature.nullable
            if feature.default is not msgspec.UNSET:
                facts["default"] = feature.default
        columns.append(facts)
    return {
        "task": task.name,
        "kind": task.kind,
        "classes": list(model.signature.classes),
        "style": model.encoding.facts.style,
        "clip": CLIP,
        "columns": columns,
        "calibration": msgspec.to_builtins(model.calibration),
    }


def _tolerance(model: Model, proto: Any, data: bytes, rows: list[dict[str, Any]], expected: Floats) -> float:
    """How far scores may be from the server's on another processor.

    Where numbers are rounded to eight bits or to halves, one that lies between two steps may go either way there.
    """
    exported = Model(
        model.signature,
        model.origin,
        model.encoding,
        OnnxModel.load({FILE: data}, model.shape),
        model.calibration,
    )
    size = max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(exported.predict_rows(rows) - expected).max())
    kinds = {node.op_type for node in proto.graph.node}
    halves = any(array.dtype == np.float16 for array in constants_of(proto).values())
    allowed = _HALVES if halves else _EIGHT_BITS if "QuantizeLinear" in kinds else _EXACT
    if difference > allowed * size:
        fix = "report it; until then bundle another version"
        raise InvalidInput("the model in ONNX does not score alike", Fault("scores", f"{difference:g} apart", fix))
    return max(allowed * size, _SLACK * difference)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            fix = "free space on the disk of this folder"
            raise DiskFull("there is no room for the bundle", Fault("out", str(folder), fix)) from error
        fault = Fault("out", f"{folder}: {error.strerror}", "name a folder that can be written")
        raise NotWritable("the bundle cannot be written", fault) from error
