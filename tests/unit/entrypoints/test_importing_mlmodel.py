"""A folder that MLflow wrote, as a version of a project's task, and by its alias as the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightgbm
import msgspec
import numpy as np
import pyarrow as pa
import pytest

from tropism.config import load_settings
from tropism.core.errors import InvalidInput, PolicyRefused
from tropism.core.task import Feature, Policy, Task
from tropism.entrypoints.importing_mlmodel import import_model, newest_rows
from tropism.feedback.schemas import MOMENT
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.wiring import Platform

_TASK = Task(name="pay", kind="binary", target="y", features=(Feature("age"), Feature("amount")))
_MLMODEL = "flavors:\n  lightgbm: {data: model.lgb}\nrun_id: abc\nmodel_id: m-1\n"


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    (tmp_path / "project.py").write_text("")
    found = open_platform(load_settings(tmp_path))
    found.registry.tasks.apply(_TASK, 1)
    return found


@pytest.fixture
def text() -> bytes:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 2))
    data = lightgbm.Dataset(rows, rows[:, 0] > 0, feature_name=["amount", "age"])
    made: Any = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 5)
    return bytes(made.model_to_string().encode())


def _log(platform: Platform, text: bytes, mlmodel: str = _MLMODEL) -> int:
    """A logged model's files, registered under the task's name; the version."""
    tracking = platform.tracking
    model = tracking.logged.create("0", 5)
    for name, data in (("MLmodel", mlmodel.encode()), ("model.lgb", text)):
        tracking.files.put(f"0/models/{model.id}/artifacts/{name}", data, 6)
    if not tracking.models.search("name = 'pay'"):
        tracking.models.create("pay", 7)
    return tracking.versions.create("pay", f"models:/{model.id}", 7).version


def test_the_same_folder_is_the_same_version_and_says_where_it_came_from(
    platform: Platform, text: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text(_MLMODEL)
    (folder / "model.lgb").write_bytes(text)
    numbers = [import_model(platform, folder, "pay", actor="ann").version for _ in range(2)]
    assert numbers == [1, 1]
    found = platform.registry.versions.get("pay", 1)
    assert (found.data["source"], found.data["run_id"], found.data["flavor"]) == ("mlflow", "abc", "lightgbm")
    assert platform.fetch(_TASK, 1).verified is not None


def test_the_alias_champion_imports_and_promotes(platform: Platform, text: bytes) -> None:
    version = _log(platform, text)
    for now in (8, 9):
        platform.tracking.aliases.set("pay", "champion", version, now)
    assert platform.registry.aliases.get("pay", "champion") == 1
    assert len(platform.registry.versions.list("pay")) == 1
    assert platform.registry.audit.verify() == ()


def test_what_the_policy_refuses_stays_a_candidate(platform: Platform, text: bytes) -> None:
    platform.registry.tasks.apply(msgspec.structs.replace(_TASK, policy=Policy(approval=True)), 2)
    version = _log(platform, text)
    with pytest.raises(PolicyRefused, match=r"version 1 of 'pay' and not its champion.*\n.*approve"):
        platform.tracking.aliases.set("pay", "champion", version, 8)
    assert platform.registry.aliases.get("pay", "champion") is None
    assert platform.registry.versions.get("pay", 1).state == "candidate"


def test_a_pickled_model_does_not_become_champion(platform: Platform, text: bytes) -> None:
    version = _log(platform, text, "flavors:\n  sklearn: {pickled_model: model.pkl}\n")
    with pytest.raises(InvalidInput, match="cannot be champion of 'pay'"):
        platform.tracking.aliases.set("pay", "champion", version, 8)
    assert platform.registry.versions.list("pay") == ()


def test_a_champion_by_alias_whose_file_is_too_large_is_refused_before_it_is_read(
    platform: Platform, text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tropism.registry.tracking.model_aliases.MOST_FILE", 1_000)
    read = platform.blobs.get
    sizes: list[int] = []

    def get(digest: str) -> bytes:
        data = read(digest)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(platform.blobs, "get", get)
    version = _log(platform, text)
    with pytest.raises(InvalidInput, match=r"model\.lgb: got .*bytes.*at most 1,000"):
        platform.tracking.aliases.set("pay", "champion", version, 8)
    assert sizes == [len(_MLMODEL)]
    assert platform.registry.versions.list("pay") == ()


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, 0.0, 1e9])
def test_a_time_that_no_conversion_can_take_is_refused(platform: Platform, tmp_path: Path, seconds: float) -> None:
    with pytest.raises(InvalidInput, match=r"--timeout: got .*give seconds from 1 to 86400"):
        import_model(platform, tmp_path, "pay", actor="ann", seconds=seconds)


def test_the_newest_rows_of_a_task_are_those_that_it_was_last_asked(platform: Platform) -> None:
    assert newest_rows(platform, _TASK, 10).num_rows == 0
    now, minute = platform.clock.now(), 60_000_000
    at = pa.array([now - days * 1_440 * minute - minute for days in (0, 1, 2, 30)], MOMENT)
    rows = {"at": at, "f_age": [1.0, 2.0, None, 4.0], "f_amount": [5.0, 6.0, 7.0, 8.0]}
    platform.lake.append("pay/predictions", pa.table(rows))

    assert newest_rows(platform, _TASK, 3).to_pydict() == {"age": [1.0, 2.0, None], "amount": [5.0, 6.0, 7.0]}
    assert newest_rows(platform, _TASK, 10).num_rows == 4
