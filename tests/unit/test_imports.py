"""What everybody imports stays light.

The limit is 0.3 s; a busy machine makes that a coin toss, so what is asserted is the cause: none of the heavy packages
is loaded. The time is printed (`pytest -s`).
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "alembic",
    "dbos",
    "deltalake",
    "fastapi",
    "httpx",
    "lightgbm",
    "numpy",
    "pandas",
    "pyarrow",
    "rich",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "uvicorn",
)
PROBE = """
import json, sys, time
started = time.perf_counter()
{code}
seconds = time.perf_counter() - started
print(json.dumps([seconds, sorted({{name.partition(".")[0] for name in sys.modules}})]), file=sys.stderr)
"""
HELP = """
from tropism.entrypoints.cli import main
assert main(["--help"]) == 0
"""
DECLARE = """
from tropism import Feature, Gate, Policy, Task, Triggers
Task(name="t", kind="binary", target="y", features=(Feature("a"),))
"""


@pytest.mark.parametrize("code", ["import tropism", DECLARE, HELP], ids=["import", "declare", "help"])
def test_loads_nothing_heavy(code: str) -> None:
    command = [sys.executable, "-c", PROBE.format(code=code)]
    probe = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert probe.returncode == 0, probe.stderr
    seconds, loaded = json.loads(probe.stderr.splitlines()[-1])
    sys.stdout.write(f"{seconds:.3f} s\n")
    assert sorted(set(HEAVY) & set(loaded)) == []
