from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tropism.entrypoints.tracking import start_run

Command = Callable[..., Any]


@pytest.fixture
def logged(project: Path) -> Path:
    for number in range(2):
        with start_run("fraud", f"r{number}", project=project) as run:
            run.log_params({"trees": number})
            for step in range(2):
                run.log_metrics({"loss": 0.5 - number / 10 - step / 100}, step=step)
            run.log_text("two layers", "architecture.txt")
    return project


def test_runs_are_listed_shown_and_compared(tropism: Command, logged: Path, tmp_path: Path) -> None:
    def said(*words: object) -> str:
        told = tropism("-C", logged, "runs", *words)
        assert told.code == 0, told.err
        return str(told.out)

    assert [line.split()[1] for line in said("list").splitlines()] == ["name", "r1", "r0"]
    shown = said("show", "r0")
    assert "0.5 to 0.49, steps 0 to 1" in shown
    assert re.search(r"^r0: finished, started [-0-9]{10}T[0-9:]{8}Z, ended [-0-9]{10}T[0-9:]{8}Z$", shown, re.MULTILINE)
    assert "--file PATH, where PATH is one of these):\n  architecture.txt" in shown
    assert said("show", "r0", "--file", "architecture.txt") == "two layers"
    page = tmp_path / "compare.html"
    out = said("compare", "r0", "r1", "--output", page)
    assert "take r1: " in out and "no tests: figures only" in out and "too few runs" in out
    assert "<svg" in page.read_text()
    assert msgspec.json.decode(said("compare", "--experiment", "fraud", "--json"))["metric"] == "loss"


def test_wrong_calls_say_what_is_right(tropism: Command, logged: Path) -> None:
    def err(*words: object) -> str:
        told = tropism("-C", logged, "runs", *words)
        assert told.code in (1, 2)
        return str(told.err)

    assert "name runs" in err("compare")
    assert "2 to 100" in err("compare", "r0")
    assert ".html or .svg" in err("compare", "r0", "r1", "--output", "x.png")
    assert "tropism runs list" in err("show", "r9")
    assert "no task" in err("compare", "--task", "payments")
