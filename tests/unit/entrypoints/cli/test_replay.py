from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data.csv"
    path.write_text("x,y\n" + "".join(f"{n * 0.5},{n // 3 % 2}\n" for n in range(400)))
    return path


QUICK = ("--target", "y", "--learner", "majority", "--policies", "no-change,static, scheduled,static,")


def test_policies_without_the_loop_run_at_once_and_leave_a_report(tropism: Command, data: Path) -> None:
    said = tropism("replay", data, *QUICK, "--out", "out")
    assert said.code == 0
    assert "kind: binary" in said.out
    assert [line.split()[0] for line in said.out.splitlines() if line.startswith(("no-", "static ", "scheduled "))][
        :3
    ] == ["no-change", "static", "scheduled"]
    assert said.out.splitlines()[-1] == f"report: {Path('out') / 'report.html'} and report.json"
    found = json.loads((data.parent / "out" / "report.json").read_text())
    assert (found["events"], found["served_over_http"]) == (400, False)
    assert sorted(found["policies"]) == ["no-change", "scheduled", "static"]
    assert said.err.splitlines() == ["  no-change: 400 events", "  static: 400 events", "  scheduled: 400 events"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("--target", "nix"), "--target"),
        (("--target", "y", "--time", "nix"), "--time"),
        (("--target", "y", "--features", "x,nix"), "--features"),
        (("--target", "y", "--features", ","), "--features"),
        (("--target", "y", "--label-delay", "soon"), "--label-delay"),
        (("--target", "y", "--policies", "nix"), "--policies"),
        (("--target", "y", "--policies", ","), "--policies"),
        (("--target", "y", "--warmup", "3"), "--warmup"),
        (("--target", "y", "--limit", "3"), "--limit"),
        (("--target", "y", "--metric", "mae"), "--metric"),
        (("--target", "y", "--kind", "multiclass", "--metric", "mse"), "--metric"),
        ((*QUICK, "--out", "data.csv"), "--out"),
        ((*QUICK, "--keep", "data.csv"), "--keep"),
        ((*QUICK, "--keep", "."), "--keep"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
def test_a_wrong_argument_is_named_with_its_remedy(
    tropism: Command, data: Path, arguments: tuple[str, ...], field: str
) -> None:
    said = tropism("replay", data, *arguments)
    assert said.code == 1
    assert said.err.startswith("error [") or "\nerror [" in said.err
    assert f"  {field}: " in said.err


def test_an_unknown_learner_names_those_there_are(tropism: Command, data: Path) -> None:
    said = tropism("replay", data, "--target", "y", "--learner", "nix", "--policies", "static")
    assert said.code == 1
    assert "lightgbm, linear" in said.err


def test_a_file_that_is_not_there(tropism: Command, data: Path) -> None:
    said = tropism("replay", "dat.csv", "--target", "y")
    assert said.code == 1
    assert "did you mean data.csv?" in said.err
