"""Card payments through the real path, on the published protocol: features from streams, delayed labels, the loop.

    python bench/card_payments.py [DATA] [--out bench/results/card_payments.json]

DATA is the folder that holds `card_payments.parquet` (1,754,155 simulated payments of Le Borgne et al., Reproducible
Machine Learning for Credit Card Fraud Detection, 2022); `../shared/data` if not given. Takes about ten minutes on two
cores and prints Markdown for docs/card-payments.md.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from card.judging import Floats, gain, judge, table
from card.living import TASK, Lived, Project, live_through
from card.payments import Ints, Payments, Protocol, read_payments, tested

from tropism.core.task import Task
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
START = int(np.datetime64("2018-07-25", "us").astype(np.int64))
PUBLISHED = {
    "random forest, published": {"average_precision": 0.658, "card_precision": 0.287},
    "XGBoost, published": {"average_precision": 0.639, "card_precision": 0.273},
    "logistic regression, published": {"average_precision": 0.606, "card_precision": 0.291},
    "decision tree of depth two, published": {"average_precision": 0.496, "card_precision": 0.241},
}
"""The handbook's chapter 3, "Baseline fraud detection system"."""
OURS, FOREST = "**Tropism, as served**", "random forest of scikit-learn, features of the handbook"
_WINDOWS = ("1d", "7d", "30d")
HANDBOOK = (
    "amount",
    "weekend",
    "night",
    *(f"customer.{name}_{window}" for window in _WINDOWS for name in ("count", "mean_amount")),
    *(f"{name}_{window}" for window in _WINDOWS for name in ("reported.count", "risk")),
)
"""The published features; their windows begin at a payment's second, ours at hops."""
SENT = ("amount", "weekend", "night")
_RULE = 22_000


def change(payments: Payments, protocol: Protocol) -> Any:
    """What makes of the project's task the one of the protocol: it learns from the payments of so many days."""
    week = payments.within(protocol.start, protocol.start + protocol.length)

    def changed(task: Task) -> Task:
        policy = msgspec.structs.replace(task.policy, recent=week.stop - week.start)
        return msgspec.structs.replace(task, policy=policy)

    return changed


def rows_of(table: pa.Table, task: Task) -> pa.Table:
    """Predictions of the lake in the order of their payments: ids are in that order. Features by name."""
    table = table.sort_by([("id", "ascending")])
    return table.select([f"f_{name}" for name in task.feature_names]).rename_columns(list(task.feature_names))


def beside(project: Project, payments: Payments, protocol: Protocol, rows: Ints) -> dict[str, Floats]:
    """Scores of simpler things for the same payments: rules, and models of the same served features."""
    week = payments.within(protocol.start, protocol.start + protocol.length)
    task = project.task
    learnt = rows_of(project.predictions(protocol.start, protocol.start + protocol.length), task)
    served = rows_of(project.predictions(protocol.trained_at, protocol.end), task)
    first = payments.within(protocol.trained_at, protocol.end).start
    served = served.take(pa.array(rows - first))
    labels, at = payments.fraud[week].astype(np.float64), payments.at[week]
    found = {}
    for name, columns in (("the same learner, features of the handbook", HANDBOOK), ("the request alone", SENT)):
        part = msgspec.structs.replace(task, features=tuple(f for f in task.features if f.name in columns), views=())
        parameters = task.parameters.get("lightgbm")
        model = fit_model(part, "lightgbm", Dataset(learnt, labels, at), parameters=parameters)
        found[name] = model.predict(served)[:, 0]
    found[FOREST] = _forest(learnt, labels, served)
    found["terminal's share of frauds in 7 days"] = _numbers(served, ("risk_7d",))[:, 0]
    found["rule: amount over 220"] = (payments.amount[rows] > _RULE).astype(np.float64)
    found["no skill (share of frauds)"] = np.zeros(len(rows))
    return found


def _forest(learnt: pa.Table, labels: Floats, served: pa.Table) -> Floats:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(random_state=0, n_jobs=2).fit(_numbers(learnt, HANDBOOK), labels)
    scores: Floats = forest.predict_proba(_numbers(served, HANDBOOK))[:, 1]
    return scores


def _numbers(rows: pa.Table, names: tuple[str, ...]) -> Floats:
    columns = [rows[name].cast(pa.float64()).fill_null(0.0).to_numpy() for name in names]
    return np.stack(columns, axis=1)


def measure(payments: Payments, protocol: Protocol, most: int) -> dict[str, Any]:
    """The whole run. `most`: predictions that are replayed offline, drawn from all of them."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder), protocol.served_from, change(payments, protocol))
        try:
            lived = live_through(project, payments, protocol, say)
            result = _judged(project, payments, protocol, lived)
            result["skew"] = _skew(project, protocol, most)
        finally:
            project.close()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = {what: round(seconds, 1) for what, seconds in lived.cpu.items()}
    return {
        **result,
        "wall_seconds": round(time.monotonic() - begun, 1),
        "cpu_seconds": {**cpu, "training process": round(children.ru_utime + children.ru_stime, 1)},
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _judged(project: Project, payments: Payments, protocol: Protocol, lived: Lived) -> dict[str, Any]:
    rows = tested(payments, protocol)
    versions = np.unique(lived.versions[rows - lived.first]).tolist()
    trained = lived.cycle.trained
    if versions != [trained] or lived.degraded:
        raise RuntimeError(f"versions {versions} answered in the test, {lived.degraded} replies were degraded")
    ours = lived.scores[rows - lived.first]
    scores = {OURS: ours}
    scores |= beside(project, payments, protocol, rows)
    judged: dict[str, Any] = {name: judge(payments, rows, one)._asdict() for name, one in scores.items()}
    version = project.platform.registry.versions.get(TASK, trained or 0)
    return {
        "served": len(lived.scores),
        "learnt_rows": version.data["rows"],
        "tested_rows": len(rows),
        "tested_frauds": int(payments.fraud[rows].sum()),
        "gain": gain(payments, rows, ours, scores[FOREST]),
        "rows": dict(sorted({**judged, **PUBLISHED}.items(), key=lambda one: -one[1]["average_precision"])),
    }


def _skew(project: Project, protocol: Protocol, most: int) -> dict[str, Any]:
    begun = time.monotonic()
    rows = project.predictions(protocol.served_from, protocol.end)
    chosen = np.sort(np.random.default_rng(0).permutation(rows.num_rows)[:most])
    found = project.skew(rows.take(pa.array(chosen)))
    return {
        "predictions": found.report.rows,
        "features": len(found.report.features),
        "mismatches": found.report.mismatches,
        "by_feature": {one.name: one.mismatches for one in found.report.features if one.mismatches},
        "seconds": round(time.monotonic() - begun, 1),
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--replayed", type=int, default=100_000, help="predictions whose features are replayed offline")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "card_payments.json")
    arguments = parser.parse_args()
    path = arguments.data / "card_payments.parquet"
    if not path.exists():
        print(f"{path} is not there: name the folder that holds it; nothing was measured")
        return
    found = measure(read_payments(path), Protocol(START), arguments.replayed)
    arguments.out.write_text(json.dumps(found, indent=2) + "\n")
    print(table(found["rows"]))
    skewed, spent, more = found["skew"], found["cpu_seconds"], found["gain"]
    print(f"\nMore than the forest: {more['average_precision']:.3f} ({more['low']:.3f} to {more['high']:.3f}).")
    print(f"{found['served']:,} served; learnt from {found['learnt_rows']:,}, tested on {found['tested_rows']:,}")
    print(f"with {found['tested_frauds']:,} frauds. Online against offline: {skewed['mismatches']} mismatches in")
    print(f"{skewed['predictions']:,} predictions of {skewed['features']} features ({skewed['seconds']} s).")
    print(f"{found['wall_seconds']} s, peak memory {found['peak_mb']} MB; CPU seconds: {spent}")


if __name__ == "__main__":
    main()
