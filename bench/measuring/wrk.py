"""The load generator wrk: as many requests as a server can take. https://github.com/wg/wrk"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

SCRIPT = Path(__file__).with_name("wrk.lua")


class Counted(NamedTuple):
    """What came of a run. `sent` counts requests that the end cut off; `refused` are replies with a status above 399,
    `broken` connections that failed or timed out."""

    sent: int
    answered: int
    seconds: float
    refused: int
    broken: int
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Replies a second."""
        return self.answered / self.seconds

    @property
    def faults(self) -> int:
        return self.refused + self.broken


def missing() -> str | None:
    """What to do when wrk is not there."""
    return None if shutil.which("wrk") else "wrk is not installed: apt-get install wrk (or https://github.com/wg/wrk)"


def saturate(url: str, bodies: Path, seconds: float, connections: int) -> Counted:
    """Sends requests over kept connections, each as soon as the last one is answered; one thread.

    `seconds`: wrk takes whole ones, at least 1.
    """
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"]
    command += ["--timeout", "30s", "--script", str(SCRIPT), url]
    environment = {**os.environ, "BODIES": str(bodies)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"wrk failed: {ran.stdout[-500:]}{ran.stderr[-500:]}")
    return parse(ran.stdout)


def parse(output: str) -> Counted:
    """What wrk.lua printed, among what wrk prints itself. Raises `ValueError` when it is not there."""
    for line in output.splitlines():
        if line.startswith('{"sent"'):
            return Counted(**json.loads(line))
    raise ValueError(f"wrk did not say what it counted: {output[-500:]!r}")
