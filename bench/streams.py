"""Replays real streams through the platform and writes the table of docs/replays.md.

    python bench/streams.py DATA [NAME ...]

DATA is a folder with electricity.csv, ETTh1.csv and bitcoin_otc.csv (where they come from: docs/replays.md). Without
names every stream runs, about fifteen minutes on two cores; results of the others are kept. Each replay serves every
event over HTTP by processes of its own. Writes bench/results/streams.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from tropism.entrypoints.cli.run_demo import DEMO
from tropism.entrypoints.replay.nasdaq import TARGET, write_nasdaq
from tropism.entrypoints.replay.policies import scheduled
from tropism.entrypoints.replay.run import Plan, fit_for, replay
from tropism.entrypoints.replay.stream import read_stream
from tropism.entrypoints.replay.summary import summarise_policy

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results" / "streams.json"
PAGE = ROOT / "docs" / "replays.md"
MARK = "<!-- table: made by bench/streams.py -->"


@dataclass(frozen=True)
class Case:
    """A stream, how it is read, and the learner that every policy uses."""

    name: str
    make: Callable[[Path, Path], Path]
    read: dict[str, Any] = field(default_factory=dict)
    learner: str = "lightgbm"
    plan: dict[str, Any] = field(default_factory=dict)


def _file(name: str) -> Callable[[Path, Path], Path]:
    return lambda data, _: data / name


def _otc(data: Path, work: Path) -> Path:
    """Is a rating negative? From the past of both traders, as known before it."""
    table = csv.read_csv(data / "bitcoin_otc.csv").sort_by("TIME_SINCE_EPOCH")
    given: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    got: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    rows = []
    for rater, ratee, rating in zip(*(table[name].to_pylist() for name in table.column_names[:3]), strict=True):
        sides = (given[rater], got[ratee], got[rater], given[ratee])
        rows.append([value for n, total, bad in sides for value in (n, total / max(n, 1.0), bad)])
        for side in sides[:2]:
            side[0] += 1
            side[1] += rating
            side[2] += rating < 0
    names = [f"{who}_{what}" for who in ("gave", "got", "rater_got", "ratee_gave") for what in ("n", "mean", "bad")]
    columns = dict(zip(names, np.array(rows).T, strict=True))
    negative = np.array(table["TRUST_INDEX"].to_pylist()) < 0
    path = work / "bitcoin-otc.parquet"
    pq.write_table(pa.table({**columns, "at": table["TIME_SINCE_EPOCH"], "negative": negative}), path)
    return path


def _nasdaq(_: Path, work: Path) -> Path:
    path = work / "nasdaq.parquet"
    write_nasdaq(path)
    return path


def _simulated(_: Path, work: Path) -> Path:
    """20,000 events; which side of a plane is positive turns abruptly every 4,000, and 10% of labels are noise."""
    rng = np.random.default_rng(1)
    features = rng.uniform(-1, 1, (20_000, 4))
    planes = rng.normal(size=(5, 4))
    truth = (features * np.repeat(planes, 4_000, axis=0)).sum(axis=1) > 0
    noisy = np.where(rng.random(20_000) < 0.1, ~truth, truth)
    path = work / "simulated.parquet"
    pq.write_table(pa.table({**{f"x{i}": features[:, i] for i in range(4)}, "y": noisy}), path)
    return path


CASES = (
    Case("electricity, labels at once", _file("electricity.csv"), {"target": "class"}, "linear"),
    Case("electricity, 48 events late", _file("electricity.csv"), {"target": "class", "label_delay": "48"}, "linear"),
    Case("ETTh1, oil temperature", _file("ETTh1.csv"), {"target": "OT", "time": "date"}),
    Case("Nasdaq, tomorrow's range", _nasdaq, {"target": TARGET, "time": "day", "label_delay": "1"}, plan=DEMO),
    Case("simulated, abrupt changes", _simulated, {"target": "y"}),
    Case("bitcoin-otc, negative ratings", _otc, {"target": "negative", "time": "at"}),
)


def run(case: Case, data: Path) -> dict[str, Any]:
    """One replay, and other schedules beside its own."""
    with tempfile.TemporaryDirectory() as folder:
        stream = read_stream(case.make(data, Path(folder)), **case.read)
        plan = Plan(learner=case.learner, command="python bench/streams.py DATA", **case.plan)
        found = replay(stream, plan, Path(folder) / "report", say=print, progress=lambda *_: None)
    stream, warmup = found.report.stream, found.report.warmup
    policies = {policy.name: _row(policy) for policy in found.report.policies}
    every = plan.refit_every or warmup // 2
    policies[f"scheduled every {every}"] = policies.pop("scheduled")
    for other in (every // 2, 2 * every, 4 * every):
        result = scheduled(stream, fit_for(stream.task, plan), warmup=warmup, every=other, fewest=20)
        policies[f"scheduled every {other}"] = _row(summarise_policy(stream, result))
    return {"events": len(stream), "warmup": warmup, "metric": stream.task.metric_name, "learner": case.learner,
            "label_delay": stream.delay_text, "policies": policies}  # fmt: skip


def _row(policy: Any) -> dict[str, Any]:
    low, high = policy.interval or (None, None)
    return {
        "loss": policy.prequential, "low": low, "high": high, "accuracy": policy.accuracy,
        "models": policy.models_trained,
    }  # fmt: skip


def table(results: dict[str, Any]) -> str:
    """The results as Markdown, a stream after the other."""
    lines = []
    for name, found in results.items():
        loop = found["policies"]["loop"]
        lines += [
            f"### {name}",
            "",
            f"{found['events']:,} events, warm-up {found['warmup']:,}, learner {found['learner']}, "
            f"label delay {found['label_delay']}. {_verdict(found)}",
            "",
            f"| policy | {found['metric']}, lower is better | 95% interval | accuracy | models trained |",
            "|---|---|---|---|---|",
        ]
        for policy, row in sorted(found["policies"].items(), key=lambda one: one[1]["loss"]):
            accuracy = "" if row["accuracy"] is None else f"{row['accuracy']:.4f}"
            shown = f"**{policy}**" if row is loop else policy
            interval = f"{row['low']:.4g} to {row['high']:.4g}"
            lines.append(f"| {shown} | {row['loss']:.4g} | {interval} | {accuracy} | {row['models']} |")
        lines.append("")
    return "\n".join(lines)


def _verdict(found: dict[str, Any]) -> str:
    policies, loop = found["policies"], found["policies"]["loop"]
    schedules = {name: row for name, row in policies.items() if name.startswith("scheduled")}
    beaten = [name for name, row in schedules.items() if loop["loss"] <= row["loss"] and loop["models"] < row["models"]]
    said = f"Better than static: {'yes' if loop['loss'] <= policies['static']['loss'] else 'no'}. "
    named = ", ".join(name.removeprefix("scheduled ") for name in beaten)
    said += f"Better with fewer models than the schedule: {named or 'none of them'}."
    if policies["no-change"]["loss"] <= min(row["loss"] for row in policies.values()):
        said += " **No-change wins here.**"
    return said


def main(data: Path, names: list[str]) -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for case in CASES:
        if names and not any(name in case.name for name in names):
            continue
        results[case.name] = run(case, data)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(table({case.name: results[case.name]}), flush=True)
    ordered = {case.name: results[case.name] for case in CASES if case.name in results}
    before, _, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text(f"{before}{MARK}\n\n{table(ordered)}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python bench/streams.py DATA [NAME ...]")
    main(Path(sys.argv[1]), sys.argv[2:])
