"""Performance estimated before labels come, here and by NannyML, judged by the labels that came later.

    python bench/estimation.py FOLDER [--rounds 3] [--peers none]

FOLDER holds employment_MA_{reference,analysis,analysis_target}.parquet (NannyML's example data: US census rows with a
classifier's probabilities) and ETTh1.csv (a transformer's oil temperature; the model that predicts it a day ahead is
trained here). A third case is simulated. Both get the same reference, with labels, and the same chunks, without:

- CBPE on employment_MA, chunks of 5,000 rows; DLE on ETTh1 and the simulation, chunks of 500.
- Error: mean absolute difference of estimate and truth over the chunks. Beside both: `constant`, which says of every
  chunk what was true of the reference.
- Cover: share of chunks whose truth lies in the interval, and the interval's mean width. Ours is stated to hold 95%;
  NannyML's is three standard errors of chance, which would be 99.7%, and does not count what calibration or the loss
  model may be wrong by.
- CPU: seconds of all threads, to fit and to estimate all metrics named, without imports and reading; median of the
  rounds, in turn. NannyML runs from pinned versions (bench/estimation_peers/nannyml.txt) in an environment of its own.

Everything is written to bench/results/estimation.json. Needs PyPI the first time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from estimation_peers.cases import Case, Floats, employment, simulated, transformer, whole_chunks
from measuring.environments import NotInstalled, environment, pinned

from tropism.evaluation.losses import losses
from tropism.evaluation.metrics import summarise
from tropism.monitoring.estimation import calibrated, direct_loss

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "estimation.json"
NANNYML = HERE / "estimation_peers" / "nannyml.txt"
WORKER = HERE / "estimation_peers" / "nannyml_worker.py"
NAMES = {"roc_auc": "auc"}
PATIENCE = 600


def edges(case: Case) -> list[int]:
    return list(range(0, case.window.num_rows + 1, case.chunk_rows))


def ours(case: Case) -> dict[str, Any]:
    """Estimates by metric (chunks, 3): value, low, high; and CPU seconds."""
    score = "score" if case.does == "cbpe" else "prediction"
    said, labels = (case.reference[name].to_numpy().astype(np.float64) for name in (score, "label"))
    later, at = case.window[score].to_numpy(), np.arange(case.window.num_rows, dtype=np.int64)
    wanted = [NAMES.get(metric, metric) for metric in case.metrics]
    begun = time.process_time()
    if case.does == "cbpe":
        classifier = calibrated("binary", said[:, None], labels)
        fitted = time.process_time()
        chunks = [classifier.series(at, later[:, None], edges(case), wanted)]
    else:
        reference, window = case.reference.select(case.features), case.window.select(case.features)
        models = [direct_loss(reference, said[:, None], labels, metric) for metric in ("mae", "mse")]
        fitted = time.process_time()
        chunks = [model.series(at, window, later[:, None], edges(case)) for model in models]
    ended = time.process_time()
    merged = [
        {name: one for part in parts for name, one in part.estimates.items()} for parts in zip(*chunks, strict=True)
    ]
    estimates = {
        metric: [[part[name].value, part[name].low, part[name].high] for part in merged]
        for metric, name in zip(case.metrics, wanted, strict=True)
    }
    note = classifier.calibration.described if case.does == "cbpe" else models[0].note
    return {"estimates": estimates, "fit_cpu_s": fitted - begun, "estimate_cpu_s": ended - fitted, "note": note}


def theirs(case: Case, python: Path, folder: Path) -> dict[str, Any]:
    """The same of NannyML, in a process of its own."""
    paths = {name: folder / f"{case.name}-{name}.parquet" for name in ("reference", "window")}
    for name, path in paths.items():
        if not path.exists():
            pq.write_table(getattr(case, name), path)
    asked = {
        "do": case.does, "features": case.features, "metrics": case.metrics, "chunk_rows": case.chunk_rows,
        **{name: str(path) for name, path in paths.items()},
    }  # fmt: skip
    done = subprocess.run(
        [python, WORKER], input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if done.returncode != 0:
        raise SystemExit(f"NannyML failed on {case.name}: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def truth(case: Case, labels: Floats, said: Floats) -> dict[str, float]:
    if case.does == "cbpe":
        found = summarise("binary", labels, said[:, None])
        return {metric: found[NAMES.get(metric, metric)].value for metric in case.metrics}
    mae, mse = (float(losses(metric, labels, said[:, None]).mean()) for metric in ("mae", "mse"))
    return {"mae": mae, "rmse": mse**0.5}


def judged(case: Case, answers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Errors of each contestant by metric."""
    column = "score" if case.does == "cbpe" else "prediction"
    said, bounds = case.window[column].to_numpy(), edges(case)
    true = [truth(case, case.labels[a:b], said[a:b]) for a, b in pairwise(bounds)]
    before = truth(case, case.reference["label"].to_numpy().astype(np.float64), case.reference[column].to_numpy())
    found: dict[str, Any] = {}
    for metric in case.metrics:
        actual = np.array([one[metric] for one in true])
        found[metric] = {"truth": {"first": actual[0], "last": actual[-1], "reference": before[metric]}}
        found[metric]["constant"] = {"error": float(np.mean(np.abs(before[metric] - actual)))}
        for name, answer in answers.items():
            value, low, high = np.array(answer["estimates"][metric], np.float64).T
            found[metric][name] = {
                "error": float(np.mean(np.abs(value - actual))),
                "bias": float(np.mean(value - actual)),
                "cover": float(np.mean((low <= actual) & (actual <= high))),
                "width": float(np.mean(high - low)),
            }
    return found


def compare(case: Case, python: Path | None, rounds: int, folder: Path) -> dict[str, Any]:
    case = whole_chunks(case)
    answers: dict[str, list[dict[str, Any]]] = {"tropism": [], "nannyml": []}
    for _ in range(rounds):
        answers["tropism"].append(ours(case))
        if python is not None:
            answers["nannyml"].append(theirs(case, python, folder))
    last = {name: each[-1] for name, each in answers.items() if each}
    found: dict[str, Any] = {
        "rows": {"reference": case.reference.num_rows, "chunks": len(edges(case)) - 1, "a_chunk": case.chunk_rows},
        "metrics": judged(case, last),
        "note": last["tropism"]["note"],
    }
    for name in last:
        spent = {
            part: statistics.median(each[part] for each in answers[name]) for part in ("fit_cpu_s", "estimate_cpu_s")
        }
        found[name] = {part: round(seconds, 4) for part, seconds in spent.items()}
    show(case, found)
    return found


def show(case: Case, found: dict[str, Any]) -> None:
    contestants = [name for name in ("tropism", "nannyml") if name in found]
    print(f"\n{case.name}, {case.does.upper()}: {found['rows']['chunks']} chunks of {case.chunk_rows:,} rows")
    print(
        f"{'':10} {'constant':>9}"
        + "".join(f" {name + ' error':>14} {'bias':>8} {'cover':>6} {'width':>7}" for name in contestants)
    )
    for metric, one in found["metrics"].items():
        line = f"{metric:10} {one['constant']['error']:9.4f}"
        for name in contestants:
            got = one[name]
            line += f" {got['error']:14.4f} {got['bias']:8.4f} {got['cover']:6.2f} {got['width']:7.4f}"
        print(line)
    for name in contestants:
        print(f"{name}: CPU {found[name]['fit_cpu_s']:.2f} s to fit, {found[name]['estimate_cpu_s']:.2f} s to estimate")
    print(found["note"])


def main() -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the data is")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", choices=("all", "none"), default="all")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tropism-bench")
    given = parser.parse_args()
    python = None
    if given.peers == "all":
        try:
            python = environment(NANNYML, given.cache) / "bin" / "python"
        except NotInstalled as error:
            raise SystemExit(f"NannyML is not available: {error}") from error
    cases = (employment(given.folder), transformer(given.folder / "ETTh1.csv"), simulated())
    with tempfile.TemporaryDirectory() as work:
        found = {case.name: compare(case, python, given.rounds, Path(work)) for case in cases}
    if python is None:
        return
    machine = {"python": platform.python_version(), "cpus": os.cpu_count(), "nannyml": pinned(NANNYML, "nannyml")}
    RESULTS.write_text(json.dumps({"machine": machine, "rounds": given.rounds, "cases": found}, indent=1) + "\n")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
