"""What features cost here and in Feast: training sets, materialising and online reads, of the same generated data.

    python bench/features.py [--peers none] [--rows 2000000] [--labels 1000000] [--entities 100000] [--rounds 3]

20 numbers of each entity, rows over 90 days with corrections, a TTL of 30 days (bench/feature_peers/data.py). Feast
runs from pinned versions (bench/feature_peers/feast.txt) in an environment of its own, Tropism in this one, each in
processes of its own that get the same requests:

- A training set of all labels, from Parquet and labels in memory to values in memory, in a fresh process: seconds, CPU
  of all threads, peak memory of the process with all that it imports. Feast by its DuckDB store, with the TTL and
  without one, and by its default store with it; where that needs more than `--patience` seconds or dies, both are asked
  for the first tenth of the labels, and the name of the ratio says so.
- Materialising Parquet into SQLite and Redis, then reading 1 and 100 entities, from whole numbers as keys to Python
  values in dictionaries, 100 also to an Arrow table: CPU of the reading process in each read, and reads a second of
  this one process. Redis: a database that is empty at the start and is emptied at the end; none, no figures.

Ratios are Feast's figure by ours: above 1, ours is better. Both read by event time, breaking ties by creation time. All
values of training sets, and 1,000 keys online, are compared with what is right: the script stops when one of ours is
wrong or one in twenty of Feast's; what Feast drops or gets wrong is counted. A figure is the median of the rounds;
Feast's default store goes once. Needs PyPI the first time. Leave the machine alone meanwhile.
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

import numpy as np
import pyarrow.parquet as pq
from feature_peers.agreement import Answers
from feature_peers.contestants import HERE, Contestant, Failed
from feature_peers.data import DAY, DAYS, DESCRIPTION, FEATURES, TTL_DAYS, Data, generate, write
from feature_peers.redis_database import RedisDatabase
from measuring.environments import NotInstalled, environment, pinned
from measuring.machine import machine
from measuring.processes import stop_on_signals

RESULTS = Path(__file__).parent / "results" / "features.json"
FEAST = HERE / "feast.txt"
PATIENCE = 900.0
CHECKED_KEYS = 1_000
MOST_WRONG = 0.05
READS = ((1, "values"), (100, "values"), (100, "arrow"))


class Wrong(Exception):
    """Values are not right: a comparison would mean nothing."""


class Comparison:
    """All that is asked of both, on one set of data in one folder."""

    def __init__(self, data: Data, entities: int, work: Path, given: argparse.Namespace) -> None:
        self._data, self._entities, self._work, self._given = data, entities, work, given
        self._answers = Answers(data)
        self.correct: dict[str, Any] = {"truth": self._answers.described()}

    def training_set(self, contestant: Contestant, name: str, count: int, patience: float, **asked: Any) -> Any:
        """The figures of one training set of the first `count` labels. Raises `Failed` and `Wrong`."""
        ttl_days = asked.get("ttl_days", TTL_DAYS)
        labels, out = self._work / f"labels-{count}.parquet", self._work / f"{name}.parquet"
        if not labels.exists():
            pq.write_table(self._data.labels.slice(0, count), labels)
        found = contestant.ask(patience, do="training_set", labels=str(labels), out=str(out), **asked)
        checked = self._answers.check(pq.read_table(out), count, ttl_days)
        self._judge(contestant, name, checked._asdict(), count)
        self._say(name, {**found, **checked._asdict()})
        return found

    def online(self, contestant: Contestant, online: dict[str, Any]) -> dict[str, Any]:
        """Materialises, then reads in another process. Raises `Failed` and `Wrong`."""
        kind = online["type"]
        start = self._data.end - (DAYS + 1) * DAY
        done = contestant.ask(PATIENCE, do="materialise", online=online, start=start, end=self._data.end)
        found = {"materialise": {**done, "rows_a_second": self._data.rows.num_rows / done["seconds"]}}
        random = np.random.default_rng(1)
        keys = [
            *random.choice(self._entities, min(CHECKED_KEYS, self._entities), replace=False).tolist(),
            self._entities,
        ]
        with contestant.process() as worker:
            seen = self._answers.online(keys, worker.ask(PATIENCE, do="look", online=online, keys=keys))
            self._judge(contestant, f"{contestant.name}_{kind}", seen, len(keys))
            for size, form in READS:
                batches = random.integers(0, self._entities, (self._given.reads, size)).tolist()
                asked = {"form": form, "batches": batches, "seconds": self._given.seconds}
                found[f"read_{size}_{form}"] = worker.ask(PATIENCE, do="read", online=online, **asked)
        for name, one in found.items():
            self._say(f"{contestant.name} {kind} {name}", one)
        return found

    def _judge(self, contestant: Contestant, name: str, counts: dict[str, int], of: int) -> None:
        self.correct[name] = counts
        if contestant.name == "feast":
            wrong, most = counts["wrong"], MOST_WRONG * of
        else:
            wrong, most = sum(counts.get(fault, 0) for fault in ("wrong", "dropped", "expired_served")), 0
        if wrong > most:
            raise Wrong(f"{name}: {counts}")

    def _say(self, name: str, figures: dict[str, float]) -> None:
        print(f"  {name:32}" + "  ".join(f"{key} {shown(value)}" for key, value in figures.items()), flush=True)


def shown(value: float) -> str:
    """
    >>> shown(0.12345), shown(12345.6), shown(20_000)
    ('0.123', '12,346', '20,000')
    """
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{0 if value >= 1_000 else 3}f}"


class Race:
    """Rounds of everything. `figures`: those of each round, by the contestant and what was measured."""

    def __init__(self, comparison: Comparison, contestants: list[Contestant], given: argparse.Namespace) -> None:
        self._comparison, self._contestants, self._given = comparison, contestants, given
        self.figures: dict[str, list[dict[str, float]]] = {}
        self.default_labels = given.labels

    def round(self, number: int, work: Path, database: RedisDatabase) -> None:
        """Raises `Failed` and `Wrong`."""
        for contestant in self._contestants:
            asked = {"offline": "duckdb"} if contestant.name == "feast" else {}
            name = f"{contestant.name}_training_set"
            self._training_set(contestant, name, self._given.labels, PATIENCE, **asked)
            self._training_set(contestant, f"{name}_no_ttl", self._given.labels, PATIENCE, ttl_days=0, **asked)
        for contestant in self._contestants:
            path = work / f"{contestant.name}-{number}.db"
            self._online(contestant, {"type": "sqlite", "path": str(path)})
            if database.number is not None:
                try:
                    self._online(contestant, database.store(contestant.name))
                finally:
                    database.clear()

    def default_store(self) -> None:
        """Once, with fewer labels where all are too many for it."""
        feast, ours = self._contestants
        name, asked = "feast_default_training_set", {"offline": "dask"}
        try:
            self._training_set(feast, name, self._given.labels, self._given.patience, **asked)
        except Failed as error:
            self.default_labels = max(self._given.labels // 10, 1)
            print(f"  {name} of {self._given.labels} labels: FAILED ({error}); now {self.default_labels}", flush=True)
            self._training_set(feast, name, self.default_labels, PATIENCE, **asked)
            self._training_set(ours, "tropism_small_training_set", self.default_labels, PATIENCE)

    def _training_set(self, contestant: Contestant, name: str, count: int, patience: float, **asked: Any) -> None:
        self._keep(name, self._comparison.training_set(contestant, name, count, patience, **asked))

    def _online(self, contestant: Contestant, online: dict[str, Any]) -> None:
        for what, found in self._comparison.online(contestant, online).items():
            self._keep(f"{contestant.name}_{online['type']}_{what}", found)

    def _keep(self, name: str, found: dict[str, float]) -> None:
        self.figures.setdefault(name, []).append(found)


def medians(rounds: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        name: {key: float(f"{statistics.median(one[key] for one in found):.4g}") for key in found[0]}
        for name, found in rounds.items()
    }


def ratios(figures: dict[str, dict[str, float]], labels: int, default_labels: int) -> dict[str, float]:
    """Feast's figure by ours."""
    small = "small_" if default_labels < labels else ""
    wanted = {
        f"training_set_{short(labels)}_vs_feast_duckdb": ("seconds", "training_set", "training_set"),
        f"training_set_{short(default_labels)}_vs_feast_default": (
            "seconds", "default_training_set", f"{small}training_set",
        ),
        "training_set_cpu": ("cpu_seconds", "training_set", "training_set"),
        "training_set_memory": ("peak_mib", "training_set", "training_set"),
        f"training_set_{short(labels)}_no_ttl_vs_feast_duckdb": ("seconds", *2 * ("training_set_no_ttl",)),
        "training_set_no_ttl_cpu": ("cpu_seconds", *2 * ("training_set_no_ttl",)),
        "training_set_no_ttl_memory": ("peak_mib", *2 * ("training_set_no_ttl",)),
    }  # fmt: skip
    for kind in ("sqlite", "redis"):
        wanted[f"materialize_{kind}"] = ("seconds", *2 * (f"{kind}_materialise",))
        wanted[f"materialize_{kind}_cpu"] = ("cpu_seconds", *2 * (f"{kind}_materialise",))
        for size, form in READS:
            name = f"online_{size}_{kind}_cpu" if form == "values" else f"online_{size}_{kind}_arrow_cpu"
            wanted[name] = ("cpu_us", *2 * (f"{kind}_read_{size}_{form}",))
    found = {}
    for name, (figure, theirs, ours) in wanted.items():
        if f"feast_{theirs}" in figures and f"tropism_{ours}" in figures:
            ratio = figures[f"feast_{theirs}"][figure] / figures[f"tropism_{ours}"][figure]
            found[name] = round(ratio, 2)
    return found


def short(count: int) -> str:
    """
    >>> short(1_000_000), short(100_000), short(1_500)
    ('1m', '100k', '1500')
    """
    for size, unit in ((1_000_000, "m"), (1_000, "k")):
        if count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


def described(given: argparse.Namespace) -> dict[str, Any]:
    """The machine, the data and the versions."""
    versions = {name: version(name) for name in ("tropism", "pyarrow", "numpy")}
    return {
        "machine": {**machine(), "rounds": given.rounds},
        "data": {"entities": given.entities, "rows": given.rows, "labels": given.labels, **DESCRIPTION},
        "versions": {**versions, **{name: pinned(FEAST, name) for name in ("feast", "duckdb", "dask", "pandas")}},
    }


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", choices=("feast", "none"), default="feast")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reads", type=int, default=300, help="the fewest online reads of each size")
    parser.add_argument("--seconds", type=float, default=5, help="the shortest time of them")
    parser.add_argument(
        "--patience", type=float, default=300, help="for all labels by Feast's default store, in seconds"
    )
    parser.add_argument("--redis", default="127.0.0.1:6379", help="host:port")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tropism-bench")
    parser.add_argument("--out", type=Path, help=f"default: {RESULTS}, for the full data beside Feast")
    given = parser.parse_args()
    sizes = ("peers", "rows", "labels", "entities")
    if given.out is None and all(getattr(given, name) == parser.get_default(name) for name in sizes):
        given.out = RESULTS
    return given


def contestants(given: argparse.Namespace, work: Path) -> list[Contestant]:
    """Raises `NotInstalled`."""
    base = {"folder": str(work), "features": FEATURES, "ttl_days": TTL_DAYS}
    ours = Contestant("tropism", [Path(sys.executable), HERE / "tropism_worker.py"], base, work)
    if given.peers == "none":
        return [ours]
    python = environment(FEAST, given.cache.expanduser()) / "bin" / "python"
    return [Contestant("feast", [python, HERE / "feast_worker.py"], base, work), ours]


def compare(given: argparse.Namespace, work: Path) -> dict[str, Any]:
    """The results file. Raises `NotInstalled`, `Failed` and `Wrong`."""
    chosen, database = contestants(given, work), RedisDatabase(given.redis)
    if database.number is None:
        print(f"SKIPPED: Redis at {given.redis}: {database.missing}", flush=True)
    data = generate(given.entities, given.rows, given.labels)
    write(data, work)
    comparison = Comparison(data, given.entities, work, given)
    race = Race(comparison, chosen, given)
    for number in range(given.rounds):
        print(f"round {number + 1} of {given.rounds}", flush=True)
        race.round(number, work, database)
    if len(chosen) > 1:
        race.default_store()
    figures = medians(race.figures)
    return {
        "ratios": ratios(figures, given.labels, race.default_labels),
        "default_store_labels": race.default_labels,
        "figures": figures,
        "correct": comparison.correct,
        "skipped": [] if database.number is not None else ["redis"],
        **described(given),
    }


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
    except (NotInstalled, Failed, Wrong) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    for name, counts in found["correct"].items():
        print(f"{name:32}" + "  ".join(f"{key} {value:,}" for key, value in counts.items()))
    for name, ratio in found["ratios"].items():
        print(f"{name:40}{ratio:10.2f}x")
    if given.out is not None:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
