"""What watching for drift costs, how often it cries wolf and how late it is, here and in Evidently, NannyML, river
and scipy, on the same generated data in one run.

    python bench/drift.py [--peers none] [--rows 1000000] [--months 12] [--ar-months 1] [--seconds 60]

Peers run from pinned versions (bench/drift_peers/*.txt) in environments of their own, Tropism in this one, each in
processes of its own, with their defaults. Needs PyPI the first time. Leave the machine alone meanwhile.

- Cost: a table of 1,000,000 rows x 60 numbers, a fifth of the columns with missing values, against a reference of the
  same size, both read from Parquet first (not counted). CPU of all threads. Tropism: counting it and all measures of
  every column, with bins that were frozen once (`fit_cpu_seconds`); Evidently: a run of DataDriftPreset over every
  tenth column, times ten, as all of them take half an hour (`columns_measured`); NannyML: `calculate` of its univariate
  drift, fit once; scipy: ks_2samp and wasserstein_distance of every column. Then windows of 1,000 rows against the same
  reference: milliseconds of the median one, of 200 or as many as `--seconds` allow.
- Alarms, simulated: 50 independent normal features, a window of 1,000 rows each minute. Ours: `--months` months, each
  with a reference of its own, drawn as counts in bins, which for independent rows is exact; then windows of rows, as
  the peers get them. The peers: as many windows as `--seconds` allow (`windows`), with the references that they can be
  run with (`reference_rows`). A false alarm is a window in which a rule raises one. Delays: windows until the first
  alarm after the mean of one feature moves, the median, null where that is beyond 500; `right`: the share of alarms
  that name this feature first. Read a delay beside its row's false alarms: who always cries is never late.
- The same with rows of correlation 0.9 from one to the next, and with references of 500 rows.
- A stream of errors, 10% and then 15%: alarms per million labels before, and labels until found; ours with
  100,000 labels known to be good and a budget of one false alarm in 1,000,000 labels, river's detectors with none and
  their defaults.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from drift_peers import table
from drift_peers.contestants import ERROR_DETECTORS, HERE, PEERS, ours, peers
from drift_peers.simulated import MONTH, RATES
from feature_peers.contestants import Contestant, Failed
from measuring.environments import NotInstalled, pinned
from measuring.machine import machine
from measuring.processes import stop_on_signals

RESULTS = Path(__file__).parent / "results" / "drift.json"
SHIFTS = {"005sd": 0.05, "01sd": 0.1, "02sd": 0.2}
REFERENCE, SMALL_REFERENCE, RHO = 1_000_000, 500, 0.9
WINDOWS, BEFORE = 200, 30
"""Windows that are timed, and those that a watch reads before a shift."""
LABELS, OUR_LABELS, BEFORE_ERRORS, MOST_LABELS = 1_000_000, 10_000_000, 2_000, 20_000
MOST_ROUNDS, PATIENCE = 10_000, 7_200.0
SEED = 7


class Comparison:
    """All that is asked. `found`: the figures, by who and which rule of theirs."""

    def __init__(self, contestants: dict[str, Contestant], given: argparse.Namespace, work: Path) -> None:
        self._all, self._given, self._work = contestants, given, work
        self.found: dict[str, dict[str, Any]] = {}
        self.failed: dict[str, str] = {}

    def costs(self) -> None:
        reference, current = (str(self._work / f"{name}.parquet") for name in ("reference", "current"))
        for seed, path in enumerate((reference, current)):
            table.write(Path(path), self._given.rows, seed)
        limits = {"rows": table.WINDOW, "count": WINDOWS, "seconds": self._given.seconds}
        for name in self._all:
            if name == "river":
                continue
            rounds = [
                self._ask(name, do="cost", reference=reference, current=current) for _ in range(3)[: self._rounds(name)]
            ]
            if not all(rounds):
                continue
            self._keep(name, rounds=len(rounds), cpu_s_1m=statistics.median(one["cpu_seconds"] for one in rounds))
            extra = ("fit_cpu_seconds", "state_bytes_per_feature", "peak_mib", "seconds", "columns_measured")
            self._keep(name, **{key: rounds[0][key] for key in extra if key in rounds[0]})
            if window := self._ask(name, do="windows", reference=reference, current=current, **limits):
                self._keep(
                    name,
                    window_ms=window["median_ms"],
                    window_cpu_ms=window["median_cpu_ms"],
                    windows_timed=window["windows"],
                )

    def months(self) -> None:
        """Ours alone, from counts."""
        for rows, group in ((REFERENCE, "tropism"), (SMALL_REFERENCE, f"tropism, reference of {SMALL_REFERENCE}")):
            months = [
                self._ask("tropism", do="month", seed=SEED + place, reference_rows=rows, windows=self._given.month)
                for place in range(self._given.months)
            ]
            if all(months):
                self._keep_alarms(group, "alarm", months, rows)

    def delays(self) -> None:
        """Ours alone, from counts."""
        for name, shift in SHIFTS.items():
            asked = {"seed": SEED, "reference_rows": REFERENCE, "repetitions": self._given.repetitions, "by": shift}
            if found := self._ask("tropism", do="find_drawn", before=BEFORE, **asked):
                self._keep_delays("tropism", name, "alarm", found)

    def on_rows(self) -> None:
        """Everybody, on the same rows."""
        for name in self._all:
            for kind in PEERS[name].kinds or ("",) if name in PEERS else ("",):
                self._rules(name, kind)

    def _rules(self, name: str, kind: str) -> None:
        fixed = {"kind": kind} if kind else {}
        rows = PEERS[name].reference if name in PEERS else REFERENCE
        seconds = self._given.seconds
        label = name if name in PEERS else "tropism, rows"
        groups = [(label, 0.0, rows), (f"{label}, correlated rows", RHO, rows)]
        groups += [] if kind else [(f"{label}, reference of {SMALL_REFERENCE}", 0.0, SMALL_REFERENCE)]
        for group, rho, size in groups:
            asked = fixed or {"reference_rows": size}
            windows, limit = MOST_ROUNDS, seconds
            if name == "tropism" and rho:
                windows, limit = self._given.ar_months * self._given.month, PATIENCE
            if found := self._ask(name, do="watch", seed=SEED, rho=rho, windows=windows, seconds=limit, **asked):
                for rule in found["alarms"]:
                    self._keep_alarms(group, rule, [found], 0 if kind else size)
        for shift_name, shift in SHIFTS.items():
            asked = {**(fixed or {"reference_rows": rows}), "seed": SEED, "by": shift, "seconds": seconds}
            if name in ("river", "tropism"):
                asked["before"] = BEFORE if name == "tropism" else 5
            if found := self._ask(name, do="find", repetitions=self._given.repetitions, **asked):
                for rule in found["delays"]:
                    self._keep_delays(label, shift_name, rule, found)

    def errors(self) -> None:
        asked = {"seed": SEED, "rates": RATES, "before": BEFORE_ERRORS, "most": MOST_LABELS}
        asked |= {"repetitions": self._given.repetitions, "seconds": self._given.seconds}
        kinds = [("tropism", "loss")] + [("river", kind) for kind in ERROR_DETECTORS if "river" in self._all]
        for name, kind in kinds:
            labels = OUR_LABELS if name == "tropism" else LABELS
            if found := self._ask(name, do="find_errors", kind=kind, **asked, labels=labels):
                self._keep(
                    f"errors: {name}/{kind}",
                    labels=found["labels"],
                    false_alarms_per_million=found["false"] / found["labels"] * 1e6,
                    labels_until_found=median(found["waits"]),
                    repetitions=len(found["waits"]),
                )

    def _rounds(self, name: str) -> int:
        return 3 if name == "tropism" else 1

    def _ask(self, name: str, **asked: Any) -> dict[str, Any]:
        """Empty where it failed, which is kept under `failed`."""
        try:
            return self._all[name].ask(PATIENCE, **asked)
        except Failed as error:
            what = " ".join(str(asked[key]) for key in ("do", "kind", "by") if key in asked)
            self.failed[f"{name} {what}"] = str(error).strip()[-200:]
            print(f"  {name} {what}: FAILED ({str(error).strip()[-120:]})", flush=True)
            return {}

    def _keep_alarms(self, group: str, rule: str, found: list[dict[str, Any]], reference: int) -> None:
        windows, alarms = sum(one["windows"] for one in found), sum(one["alarms"][rule] for one in found)
        kept = {"false_alarms_per_month": alarms / windows * MONTH, "windows": windows, "alarms": alarms}
        self._keep(self._rule(group, rule), **kept, **({"reference_rows": reference} if reference else {}))

    def _keep_delays(self, group: str, shift: str, rule: str, found: dict[str, Any]) -> None:
        waits = found["delays"][rule]
        kept = {f"delay_{shift}": median(waits), f"repetitions_{shift}": len(waits)}
        alarms = sum(wait is not None for wait in waits)
        if alarms:
            kept[f"right_{shift}"] = found["right"][rule] / alarms
        self._keep(self._rule(group, rule), **kept)

    def _rule(self, group: str, rule: str) -> str:
        name, comma, rest = group.partition(",")
        return group if name == "tropism" else f"{name}/{rule}{comma}{rest}"

    def _keep(self, name: str, **figures: Any) -> None:
        kept = {key: rounded(value) for key, value in figures.items()}
        self.found.setdefault(name, {}).update(kept)
        print(f"  {name:44}" + "  ".join(f"{key} {value}" for key, value in kept.items()), flush=True)


def rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def median(waits: list[int | None]) -> float | None:
    """None where the median one was not found in time.

    >>> median([3, 1, None]), median([1, None, None])
    (3, None)
    """
    found = statistics.median_high([float("inf") if wait is None else wait for wait in waits])
    return None if found == float("inf") else found


def added(before: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Figures of an earlier run, and those of this one.

    >>> added({"a": 1, "b": None, "peers": {"x": {"a": 1}}}, {"b": 2, "peers": {"x": {"b": 3}}})
    {'a': 1, 'b': 2, 'peers': {'x': {'a': 1, 'b': 3}}}
    """
    made = {**before, **{key: value for key, value in found.items() if value is not None}}
    for key in ("peers", "failed"):
        if key in before:
            made[key] = {**before[key], **found[key]}
    if "peers" in before:
        made["peers"] = {
            name: {**before["peers"].get(name, {}), **found["peers"].get(name, {})} for name in made["peers"]
        }
    return made


def described(names: list[str]) -> dict[str, Any]:
    return {
        "machine": machine(),
        "versions": {
            **{name: version(name) for name in ("tropism", "numpy", "pyarrow")},
            **{name: pinned(HERE / PEERS[name].requirements, name) for name in names},
        },
    }


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", choices=("all", "none", *PEERS), default="all")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--month", type=int, default=MONTH, help="windows of a month")
    parser.add_argument("--ar-months", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60, help="for each figure of a peer")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tropism-bench")
    parser.add_argument("--out", type=Path, help=f"default: {RESULTS}, for everything in full")
    parser.add_argument("--add", action="store_true", help="to what --out has from other parts")
    given = parser.parse_args()
    full = ("peers", "parts", "rows", "months", "month", "ar_months", "repetitions", "seconds")
    if given.out is None and all(getattr(given, name) == parser.get_default(name) for name in full):
        given.out = RESULTS
    return given


PARTS = ["costs", "months", "delays", "on_rows", "errors"]


def compare(given: argparse.Namespace, work: Path) -> dict[str, Any]:
    """The results file. Raises `NotInstalled`."""
    names = {"all": list(PEERS), "none": []}.get(given.peers, [given.peers])
    comparison = Comparison({"tropism": ours(work), **peers(names, given.cache.expanduser(), work)}, given, work)
    about = described(names)
    for part in given.parts:
        print(part, flush=True)
        getattr(comparison, part)()
    found = dict(comparison.found)
    own = found.pop("tropism", {})
    evidently = found.get("evidently", {}).get("cpu_s_1m")
    ratio = evidently / own["cpu_s_1m"] if evidently and "cpu_s_1m" in own else None
    return {**own, "evidently_ratio": rounded(ratio), "peers": found, "failed": comparison.failed, **about}


def main() -> int:
    given = options()
    stop_on_signals()
    if os.getloadavg()[0] > 0.5:
        print(f"the machine is busy (load {os.getloadavg()[0]:.1f}): do not keep these figures", flush=True)
    cache = given.cache.expanduser()
    cache.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="run-", dir=cache) as folder:
            found = compare(given, Path(folder))
    except NotInstalled as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    if given.out is not None:
        if given.add and given.out.exists():
            found = added(json.loads(given.out.read_text()), found)
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if not found["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
