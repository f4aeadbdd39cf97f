"""How long an alias takes to move, durably, among 1,000 to 100,000 versions of a model, on SQLite.

    python bench/aliases.py [--moves 500] [--out bench/results/aliases.json]

A move is one transaction: the alias, its row in the audit log, the head of the log. It is durable when it returns, as
far as the setting says: `os` outlives the death of any process (the default), `power` the loss of power too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tropism.registry.tracking import Tracking
from tropism.storage.blobs import Blobs
from tropism.storage.tables import Database, TablesSettings
from tropism.storage.tables.tracking_schema import tracking_models, tracking_versions

SIZES = (1_000, 10_000, 100_000)
_FIRST = 50
"""Moves that are not counted."""


def measure(folder: Path, count: int, moves: int, durability: str) -> dict[str, Any]:
    """Quantiles of the time of a move, of the processor's part of it, and of a look, in ms."""
    settings = TablesSettings(durability="power" if durability == "power" else "os")
    database = Database(f"sqlite:///{folder / f'{durability}-{count}.sqlite'}", settings)
    database.migrate()
    tracking = Tracking(database, Blobs(str(folder / "blobs")))
    _fill(database, tracking, count)
    numbers = np.random.default_rng(0).permutation(count)[: moves + _FIRST] + 1
    moved, worked, looked = [], [], []
    for number in numbers:
        start, working = time.perf_counter(), time.process_time()
        tracking.aliases.set("model", "champion", int(number), time.time_ns() // 1_000)
        middle, worked_until = time.perf_counter(), time.process_time()
        assert tracking.aliases.get("model", "champion").version == number
        moved.append(middle - start)
        worked.append(worked_until - working)
        looked.append(time.perf_counter() - middle)
    database.dispose()
    taken = {"move": _spread(moved), "move_cpu": _spread(worked), "look": _spread(looked)}
    return {"versions": count, "durability": durability, **taken}


def _fill(database: Database, tracking: Tracking, count: int) -> None:
    tracking.models.create("model", 1)
    texts = {"source": "mlflow-artifacts:/0/run/artifacts/model", "run_id": "", "run_link": "", "description": ""}
    with database.begin() as connection:
        model = connection.scalar(tracking_models.select().with_only_columns(tracking_models.c.id))
        rows = [
            {"model": model, "version": number, "created_at": number, "updated_at": number, **texts}
            for number in range(1, count + 1)
        ]
        connection.execute(tracking_versions.insert(), rows)
        connection.execute(tracking_models.update().values(last_version=count))


def _spread(seconds: list[float]) -> dict[str, float]:
    taken = np.array(seconds[_FIRST:]) * 1_000
    return {name: round(float(np.quantile(taken, q)), 3) for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))}


def main() -> None:
    """Measures every size and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--moves", type=int, default=500)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for durability in ("os", "power"):
            for count in SIZES:
                found.append(measure(Path(folder), count, arguments.moves, durability))
                print(found[-1], flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
