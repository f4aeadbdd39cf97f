from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dbos import DBOS

from tropism.entrypoints.cli import run_train
from tropism.wiring import Platform

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def engine(project: Path) -> Iterator[None]:
    """The workflow engine is one for a process, which as a rule ends with its command. One learner is enough."""
    path = project / "project.py"
    path.write_text(path.read_text().replace('("lightgbm", "linear")', '("linear",)'))
    yield
    DBOS.destroy(destroy_registry=True)
    logging.getLogger("dbos").handlers.clear()  # they write to what standard error was in this test


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """The larger the amount, the likelier the fraud."""
    random = np.random.default_rng(3)
    lines = ["amount,country,hour,new_device,is_fraud,at"]
    for n in range(400):
        amount = random.exponential(50)
        fraud = int(amount + 20 * random.normal() > 60)
        day, hour = 1 + n // 24, n % 24
        lines.append(f"{amount:.2f},{'NL' if n % 2 else 'BE'},{hour},{n % 2},{fraud},2026-01-{day:02}T{hour:02}:00:00Z")
    path = tmp_path / "history.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_history_makes_a_first_champion(shop: Command, project: Path, history: Path) -> None:
    said = shop("train", "payments", "--data", history, "--time", "at")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == "imported 400 rows of history"
    assert lines[1] == "version 1: linear on all, 400 rows"
    assert lines[2].startswith("  brier 0.")
    assert "on later rows; best baseline " in lines[2]
    assert lines[3].startswith("  it is the champion since 2")
    assert len(lines) == 4
    assert said.err == ""
    assert "champion: version 1 of 1" in shop("status").out
    assert shop("doctor").code == 0


def test_a_second_model_challenges_the_champion(
    shop: Command, platform: Platform, register: Callable[..., int], promote: Callable[..., str], history: Path
) -> None:
    register()
    promote(1)
    said = shop("train", "payments", "--data", history, "--time", "at", "--actor", "bob")
    assert said.code == 0
    assert "it challenges version 1: evidence comes from the predictions made from now on" in said.out
    (trained,) = platform.registry.decisions.list("payments", kind="train")
    assert trained.evidence["reasons"] == ["asked for by bob"]


def test_a_first_model_that_its_levels_hold_back_is_said_to_wait(
    shop: Command, project: Path, history: Path, tmp_path: Path
) -> None:
    path = tmp_path / "levels.json"
    path.write_text('{"levels": [{"name": "live", "gates": [{"gate": "approval"}]}]}')
    assert shop("apply").code == 0
    assert shop("levels", "payments", "--set", path).code == 0
    said = shop("train", "payments", "--data", history, "--time", "at")
    assert said.code == 0
    assert "it won, and waits: 'live': " in said.out
    assert "not better" not in said.out


def test_without_anything_to_learn_from_it_says_what_to_do(shop: Command, project: Path) -> None:
    said = shop("train", "payments")
    assert said.code == 1
    assert said.out == ""
    assert said.err == (
        "error [training-failed] 'payments' cannot be trained yet: there are 0 labelled rows\n"
        "  rows: send predictions and outcomes first, or import history: "
        "tropism train payments --data FILE.csv --time COLUMN\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nix",), "unknown-task", "use one of: payments"),
        (("payments", "--data", "nix.csv"), "data-invalid", "there is no file nix.csv"),
    ],
)
def test_what_cannot_be_trained_is_named(shop: Command, arguments: tuple[str, ...], code: str, words: str) -> None:
    said = shop("train", *arguments)
    assert said.code == 1
    assert said.err.startswith(f"error [{code}]")
    assert words in said.err


def test_data_that_does_not_fit_is_named_and_nothing_is_trained(
    shop: Command, platform: Platform, history: Path
) -> None:
    history.write_text(history.read_text().replace("country", "land", 1))
    said = shop("train", "payments", "--data", history)
    assert said.code == 1
    assert "there is no column 'country'" in said.err
    assert platform.registry.jobs.list("payments") == ()


def test_an_interrupted_training_is_cancelled(
    shop: Command, platform: Platform, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = threading.Event()

    def interrupted(*_: object) -> None:
        seen.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(run_train, "_follow", interrupted)
    said = shop("train", "payments", "--data", history, "--time", "at")
    assert said.code == 130
    assert seen.is_set()
    (job,) = platform.registry.jobs.list("payments")
    assert job.cancel
    assert platform.registry.versions.list("payments") == ()


def test_a_worker_that_is_gone_is_told(shop: Command, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def run(self, stop: threading.Event) -> None:
            pass

    monkeypatch.setattr(Platform, "worker", lambda self, automatic: Gone())
    said = shop("train", "payments")
    assert said.code == 1
    assert said.err.startswith("error [not-ready] the worker is gone")
    assert "`tropism up` takes it up" in said.err
