"""Scores rows of JSON with the model beside this file. Needs only onnxruntime: pip install onnxruntime

python runner.py rows.json    an object, a list of objects, or one object a line; without a file standard input
python runner.py --check      scores the rows of checks.json and compares the scores with those expected
"""

import json
import math
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

HERE, LEAST, LARGEST = Path(__file__).resolve().parent, 1e-15, float(np.finfo(np.float32).max)


def value_of(row: dict[str, Any], column: dict[str, Any]) -> float:
    """The number that stands for one feature of a row: NaN when it is missing, -1 for a category never seen."""
    name, kind = column["name"], column["type"]
    if name not in row and "default" not in column:
        raise ValueError(f"feature '{name}' is missing")
    value: Any = row.get(name, column.get("default"))
    if value is None and (column["nullable"] or name not in row):
        return math.nan
    if kind == "category" and isinstance(value, str):
        return float(column["codes"].get(value, -1))
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 1e300
    if (kind == "number" and number) or (kind == "boolean" and isinstance(value, bool)):
        return float(value)
    raise ValueError(f"feature '{name}' is no {kind}: {json.dumps(value)[:80]}")


def encode(rows: list[dict[str, Any]], facts: dict[str, Any]) -> Any:
    """The matrix (rows, width) that the model takes, in single precision."""
    columns = facts["columns"]
    for name in {name for row in rows for name in dict(row)} - {column["name"] for column in columns}:
        raise ValueError(f"there is no feature '{name[:80]}'")
    codes = np.array([[value_of(row, column) for column in columns] for row in rows], np.float64)
    parts = [codes] if facts["style"] == "codes" else []
    for values, column in [] if parts else zip(codes.T[:, :, None], columns, strict=True):
        if column["type"] == "category":
            spread = values == np.arange(len(column["codes"]))
        else:
            spread = np.clip((values - column["mean"]) / column["scale"], -facts["clip"], facts["clip"])
        parts += [np.nan_to_num(spread, nan=0.0), np.isnan(values)]
    return np.clip(np.hstack(parts), -LARGEST, LARGEST).astype(np.float32)


def score(rows: list[dict[str, Any]], facts: dict[str, Any], session: Any) -> Any:
    """Scores (rows, outputs), calibrated as the server calibrates them."""
    scores, how = session.run(None, {"input": encode(rows, facts)})[0].astype(np.float64), facts["calibration"]
    if facts["kind"] == "multiclass":
        scores = scores / scores.sum(axis=1, keepdims=True)
    if how["type"] == "platt":
        p = np.clip(scores, LEAST, 1 - LEAST)
        return 1 / (1 + np.exp(-np.maximum(how["slope"] * (np.log(p) - np.log1p(-p)) + how["intercept"], -700.0)))
    if how["type"] == "temperature":
        logs = np.log(np.maximum(scores, LEAST)) / how["temperature"]
        raised = np.exp(logs - logs.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)
    return np.interp(scores, how["x"], how["y"]) if how["type"] == "isotonic" else scores


def answer(scores: list[float], facts: dict[str, Any]) -> dict[str, Any]:
    """One row's scores in the user's terms."""
    if facts["kind"] == "multiclass":
        best = facts["classes"][scores.index(max(scores))]
        return {"prediction": best, "probabilities": dict(zip(facts["classes"], scores, strict=True))}
    if facts["kind"] == "regression":
        return {"prediction": scores[0]}
    return {"prediction": scores[0] >= 0.5, "probabilities": {"false": 1.0 - scores[0], "true": scores[0]}}


def main(words: list[str]) -> int:
    """Runs the command line; the exit status."""
    facts = json.loads((HERE / "encoding.json").read_text("utf-8"))
    session = import_module("onnxruntime").InferenceSession(str(HERE / "model.onnx"))
    if words == ["--check"]:
        checks = json.loads((HERE / "checks.json").read_text("utf-8"))
        worst = float(np.abs(score(checks["rows"], facts, session) - np.array(checks["scores"])).max())
        allowed = checks["tolerance"]
        sys.stdout.write(f"{'WRONG' if worst > allowed else 'ok'}: largest difference {worst:.3g} of {allowed:.3g}\n")
        return int(worst > allowed)
    try:
        text = (Path(words[0]).read_text("utf-8") if words else sys.stdin.read()).strip()
        lines = text.splitlines() if text[:1] == "{" and "}\n" in text else [text or "[]"]
        found = [json.loads(line) for line in lines if line.strip()]
        rows = found[0] if isinstance(found[0], list) else found
        scores = score(rows, facts, session).tolist() if rows else []
    except (OSError, ValueError, TypeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.writelines(json.dumps(answer(row, facts)) + "\n" for row in scores)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
