"""Who is compared: their processes, their environments, and what their rules are called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

from feature_peers.contestants import Contestant
from measuring.environments import environment

HERE = Path(__file__).parent
ANSWERING = HERE.parent / "feature_peers"
SILENT = ["DO_NOT_TRACK=1", "NML_DISABLE_USAGE_LOGGING=1", f"PYTHONPATH={ANSWERING}"]


class Peer(NamedTuple):
    """A worker and its environment. `reference`: rows that its rules get on the simulated stream, as many as it
    can be run with; `kinds`: detectors that are asked one by one."""

    worker: str
    requirements: str
    reference: int = 0
    kinds: tuple[str, ...] = ()


PEERS = {
    "evidently": Peer("evidently_worker.py", "drift-evidently.txt", 10_000),
    "nannyml": Peer("nannyml_worker.py", "drift-nannyml.txt", 100_000),
    "scipy": Peer("scipy_worker.py", "drift-river.txt", 20_000),
    "river": Peer("river_worker.py", "drift-river.txt", kinds=("adwin", "page_hinkley", "kswin")),
}
ERROR_DETECTORS = ("ddm", "eddm", "hddm_a", "hddm_w", "adwin", "page_hinkley", "kswin")


def ours(work: Path) -> Contestant:
    return _contestant("tropism", sys.executable, "tropism_worker.py", work)


def peers(names: list[str], cache: Path, work: Path) -> dict[str, Contestant]:
    """Raises `NotInstalled`."""
    found = {}
    for name in names:
        python = environment(HERE / PEERS[name].requirements, cache) / "bin" / "python"
        found[name] = _contestant(name, str(python), PEERS[name].worker, work)
    return found


def _contestant(name: str, python: str, worker: str, work: Path) -> Contestant:
    command: list[Any] = ["env", *SILENT, python, "-W", "ignore", HERE / worker]
    return Contestant(name, command, {}, work)
