"""A worker killed inside a step goes on from that step when it is started again."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import os, signal, sys
from pathlib import Path
from tropism.loop.durable.dbos import DbosWorkflows

folder, die_in = Path(sys.argv[1]), sys.argv[2]

def cycle(steps, key, argument):
    def step(name):
        def run():
            with (folder / "trace").open("a") as trace:
                trace.write(name + " ")
            if name == die_in:
                os.kill(os.getpid(), signal.SIGKILL)
            return name
        return run
    return [steps.step(name, step(name)) for name in ("observe", "train", "release")]

workflows = DbosWorkflows({"cycle": cycle}, f"sqlite:///{folder}/w.sqlite")
print(workflows.run("cycle", "one", None))
workflows.close()
"""


@pytest.mark.fault
def test_recorded_steps_are_not_run_again(tmp_path: Path) -> None:
    program = tmp_path / "worker.py"
    program.write_text(PROGRAM)

    def run(die_in: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(program), str(tmp_path), die_in]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert run("train").returncode == -9
    assert run("release").returncode == -9
    assert "['observe', 'train', 'release']" in run("never").stdout
    assert (tmp_path / "trace").read_text().split() == ["observe", "train", "train", "release", "release"]
