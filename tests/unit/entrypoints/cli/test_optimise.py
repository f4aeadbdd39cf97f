from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.task import Task
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model
from tropism.training.optimise import findings
from tropism.wiring import Platform

Command = Callable[..., Any]
Register = Callable[..., int]
Live = Callable[..., list[str]]
FILES = ["README.txt", "checks.json", "encoding.json", "model.onnx", "runner.py"]


@pytest.fixture(scope="module")
def trees() -> Callable[[Task], Model]:
    made: list[Model] = []

    def of(task: Task) -> Model:
        if not made:
            made.append(_trees(task))
        return made[0]

    return of


def _trees(task: Task) -> Model:
    random = np.random.default_rng(0)
    amounts, hours = random.uniform(0, 50, 600), random.integers(24, size=600)
    table = pa.table(
        {
            "amount": amounts,
            "country": random.choice(["NL", "BE", "DE"], 600),
            "hour": hours.astype(np.float64),
            "new_device": random.random(600) < 0.5,
        }
    )
    labels = (amounts + 10 * random.normal(size=600) > 25).astype(np.float64)
    data = Dataset(table, labels, np.arange(600))
    return fit_model(task, "lightgbm", data, parameters={"num_trees": 40, "num_leaves": 31, "min_data_in_leaf": 5})


@pytest.fixture
def ready(
    platform: Platform, register: Register, live: Live, payments: Task, trees: Callable[[Task], Model]
) -> Platform:
    """A version of trees, and 600 labelled rows."""
    register(artifact=store(trees(payments), platform.blobs), learner="lightgbm")
    live(600, version=1)
    return platform


def test_what_passes_is_listed_and_registered(shop: Command, ready: Platform) -> None:
    said = shop("optimise", "payments:1", "--for", "cpu", "--tolerance", "0.05")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].split() == ["technique", "size", "1", "row", "64", "rows", "loss", "verdict", "version"]
    named = [line.split()[0] for line in lines[1:7]]
    assert named == ["onnx", "int8-dynamic", "int8-static", "pruned", "distilled", "early-exit"]
    assert "passed: better in size" in lines[1]
    assert "does not fit: it has no dense layers" in lines[2]
    assert "against payments:1, on 200 rows held out" in said.out
    versions = ready.registry.versions.list("payments")
    assert versions[1].learner == "lightgbm+onnx" and versions[1].parent == 1
    assert lines[1].split()[-1] == "2"
    assert ready.registry.aliases.get("payments", "champion") is None
    listed = shop("models", "payments").out
    assert "lightgbm+onnx" in listed
    assert shop("doctor").code == 0


def test_twice_gives_the_same_versions(shop: Command, ready: Platform) -> None:
    shop("optimise", "payments:1", "--for", "mobile", "--tolerance", "0.05")
    count = len(ready.registry.versions.list("payments"))
    again = shop("optimise", "payments:1", "--for", "mobile", "--tolerance", "0.05")
    assert len(ready.registry.versions.list("payments")) == count > 1
    assert "(made before)" in again.out
    assert "tropism promote" not in again.out


def test_an_optimised_version_is_promoted_as_any_other(shop: Command, ready: Platform) -> None:
    shop("promote", "payments", 1)
    said = shop("optimise", "payments", "--for", "cpu", "--actor", "bob")
    assert "the champion stays; to make one of them champion: tropism promote payments 2" in said.out
    assert ready.registry.aliases.get("payments", "champion") == 1
    assert shop("promote", "payments", 2).code == 0
    assert ready.registry.aliases.get("payments", "champion") == 2
    entries = [one for one in ready.registry.audit.list(limit=50) if one.action == "version.registered"]
    assert {one.actor for one in entries} == {"loop", "bob"}


def test_a_task_without_labelled_rows_says_what_to_do(shop: Command, platform: Platform, register: Register) -> None:
    register()
    said = shop("optimise", "payments:1", "--for", "cpu")
    assert said.code == 1
    assert said.err.startswith("error [training-failed] 'payments' cannot be optimised yet: there are 0 labelled rows")
    assert "tropism train payments --data FILE" in said.err


def test_where_nothing_fits_the_reasons_are_told(shop: Command, ready: Platform) -> None:
    said = shop("optimise", "payments:1", "--for", "gpu")
    assert said.code == 1
    assert said.err.startswith("error [invalid-input] nothing could be tried on payments:1 for gpu")
    assert "fp16: it has TreeEnsembleRegressor" in said.err


def test_for_mobile_there_is_a_bundle_of_the_smallest(shop: Command, ready: Platform, tmp_path: Path) -> None:
    out = tmp_path / "edge"
    said = shop("optimise", "payments:1", "--for", "mobile", "--tolerance", "0.05", "--out", out)
    assert said.code == 0
    assert f"to {out}: " in said.out
    assert sorted(path.name for path in out.iterdir()) == FILES


def test_where_nothing_passes_there_is_no_bundle(
    shop: Command, ready: Platform, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "GAIN", 2.0)  # more than all of it
    said = shop("optimise", "payments:1", "--for", "mobile")
    assert said.code == 0
    assert "no gain" in said.out and "there is no bundle" in said.out
    assert not list(project.glob("*-edge"))
    assert len(ready.registry.versions.list("payments")) == 1


def test_a_version_is_bundled(shop: Command, ready: Platform, tmp_path: Path, payments: Task) -> None:
    out = tmp_path / "edge"
    said = shop("bundle", "payments:1", "--out", out)
    assert said.code == 0
    assert said.out.startswith(f"wrote payments:1 to {out}: ")
    assert f"python {out / 'runner.py'} --check" in said.out
    facts = json.loads((out / "encoding.json").read_text())
    assert [one["name"] for one in facts["columns"]] == list(payments.feature_names)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("optimise", "nix:1", "--for", "cpu"), 1, "unknown-task"),
        (("optimise", "payments:9", "--for", "cpu"), 1, "it has version 1 only"),
        (("optimise", "payments:x", "--for", "cpu"), 1, "write it as payments:1"),
        (("optimise", "payments", "--for", "cpu"), 1, "has no champion"),
        (("optimise", "payments:1"), 2, "--for"),
        (("optimise", "payments:1", "--for", "toaster"), 2, "toaster"),
        (("optimise", "payments:1", "--for", "cpu", "--tolerance", "2"), 2, "2"),
        (("optimise", "payments:1", "--for", "cpu", "--tolerance", "nan"), 1, "use a number from 0 to 1"),
        (("optimise", "payments:1", "--for", "cpu", "--out", "x"), 2, "tropism bundle"),
        (("bundle", "payments:1"), 2, "--out"),
        (("bundle", "payments:9", "--out", "x"), 1, "it has version 1 only"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
def test_what_cannot_be_is_told(
    shop: Command, platform: Platform, register: Register, arguments: tuple[str, ...], code: int, words: str
) -> None:
    register()
    said = shop(*arguments)
    assert said.code == code
    assert words in said.err
