from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tropism.core.errors import NotWritable
from tropism.features.store.stamping import Stamps

TAKE = """
import sys, pathlib
from tropism.features.store.stamping import Stamps
stamps, found = Stamps(pathlib.Path(sys.argv[1])), []
for _ in range(200):
    with stamps.taken(5, 3) as first:
        with open(sys.argv[2], "a") as file:
            file.write(f"{first}\\n")
"""


def test_moments_grow_across_restarts_and_clocks_that_stand_still_or_go_back(tmp_path: Path) -> None:
    found = []
    for now, count in ((100, 1), (100, 5), (50, 1), (1_000, 1)):
        with Stamps(tmp_path / "lock").taken(now, count) as first:
            found.append(first)
    assert found == [100, 101, 106, 1_000]


def test_processes_take_turns(tmp_path: Path) -> None:
    """The moments are written down in their order: nobody has a later one before those with an earlier one are done."""
    command = [sys.executable, "-c", TAKE, str(tmp_path / "lock"), str(tmp_path / "log")]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert [int(line) for line in (tmp_path / "log").read_text().split()] == list(range(5, 5 + 3 * 600, 3))


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(NotWritable, match="cannot be noted"), Stamps(tmp_path / "nix" / "lock").taken(1):
        pass
