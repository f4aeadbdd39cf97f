"""What it costs to assign a unit to a variant, here and by GrowthBook's Python SDK, of the same experiment and units.

    python bench/assignment.py [--peers none] [--count 20000] [--rounds 50]

Three variants, no targeting, hash version 2. GrowthBook runs from pinned versions (bench/assignment_peers) in an
environment of its own, each in a process of its own; needs PyPI the first time. CPU nanoseconds a unit, the fastest
batch of 200. `assign_ns`: one unit a call; `many_ns`: all units in one call; `hash_ns`: the SDK's hash and choice of a
range alone; `run_ns`: the SDK as an application calls it, attributes set and an experiment run. The exit status is 1 if
any unit gets another variant there, or a unit of 20 characters takes more than 2 microseconds here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from assignment_peers.rounds import KINDS
from feature_peers.contestants import Contestant
from measuring.environments import NotInstalled, environment, pinned

HERE = Path(__file__).parent
PEERS = HERE / "assignment_peers"
RESULTS = HERE / "results" / "assignment.json"
REQUIREMENTS = PEERS / "growthbook.txt"
MOST_NS = 2_000
PATIENCE = 600.0


def contestant(name: str, python: str, work: Path) -> Contestant:
    command: list[Any] = ["env", f"PYTHONPATH={HERE / 'feature_peers'}", python, PEERS / f"{name}_worker.py"]
    return Contestant(name, command, {}, work)


def compare(given: argparse.Namespace, work: Path) -> dict[str, Any]:
    """The figures by kind of unit. Raises `NotInstalled`."""
    asked = {"do": "assign", "count": given.count, "rounds": given.rounds}
    ours, peer = contestant("tropism", sys.executable, work), None
    if given.peers != "none":
        python = environment(REQUIREMENTS, given.cache.expanduser()) / "bin" / "python"
        peer = contestant("growthbook", str(python), work)
    found: dict[str, Any] = {}
    for kind in KINDS:
        mine = ours.ask(PATIENCE, kind=kind, **asked)
        variants = mine.pop("variants")
        found[kind] = {name: round(value) for name, value in mine.items()}
        if peer is not None:
            theirs = peer.ask(PATIENCE, kind=kind, **asked)
            differ = sum(left != right for left, right in zip(variants, theirs.pop("variants"), strict=True))
            found[kind] |= {f"growthbook_{name}": round(value) for name, value in theirs.items()}
            ratios = {name: round(theirs[f"{name}_ns"] / mine["assign_ns"], 2) for name in ("hash", "run")}
            found[kind] |= {f"{name}_ratio": ratio for name, ratio in ratios.items()} | {"differ": differ}
        print(f"  {kind:14}" + "  ".join(f"{key} {value}" for key, value in found[kind].items()), flush=True)
    return found


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", choices=("all", "none"), default="all")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tropism-bench")
    parser.add_argument("--out", type=Path, help=f"default: {RESULTS}, for everything in full")
    given = parser.parse_args()
    full = ("peers", "count", "rounds")
    if given.out is None and all(getattr(given, name) == parser.get_default(name) for name in full):
        given.out = RESULTS
    return given


def main() -> int:
    given, load = options(), os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy (load {load:.1f}): do not keep these figures", flush=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = compare(given, Path(folder))
    except NotInstalled as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": round(load, 1)}
    about = {"machine": machine, "versions": {"growthbook": pinned(REQUIREMENTS, "growthbook")}}
    if given.out is not None:
        given.out.write_text(json.dumps({**found, **about}, indent=1) + "\n")
    right = not any(each.get("differ") for each in found.values())
    return 0 if right and found["20 characters"]["assign_ns"] <= MOST_NS else 1


if __name__ == "__main__":
    sys.exit(main())
