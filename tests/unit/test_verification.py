from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tropism.config import load_settings
from tropism.core.events import Outcome, Prediction, encode
from tropism.core.identity import Identifiers, task_tag
from tropism.core.task import Feature, Policy, Task
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.registry import NewVersion
from tropism.registry.retiring import Retiring
from tropism.verification import Check, verify
from tropism.wiring import Platform

TASK = Task(name="price", kind="binary", target="up", features=(Feature("a"),))
CHECKS = ["artifacts", "champions", "audit", "journal", "disk"]


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A project with two versions, of which the first is the champion, and ten predictions with outcomes."""
    made = Platform(load_settings(tmp_path, {"journal": {"fsync": "os"}}, environment={}))
    made.registry.tasks.apply(TASK, 1)
    random = np.random.default_rng(1)
    data = Dataset(pa.table({"a": random.normal(size=50)}), (np.arange(50) % 2).astype(float), np.arange(50), None)
    for seed in (1, 2):
        artifact = store(fit_model(TASK, "linear", data, seed=seed), made.blobs, metrics={"seed": seed})
        made.registry.versions.register(
            NewVersion(model="price", artifact=artifact, learner="linear", window="all"), now=1
        )
    decision = Identifiers().new(1, task_tag("price"))
    made.registry.promotion.promote(
        "price", 1, expected=None, actor="ann", decision_id=decision, policy=Policy(), now=1
    )
    journal = made.journal()
    for number in range(10):
        at = number * 1_000
        prediction = Prediction(id=f"p{number}", task="price", at=at, features={"a": 1.0}, scores=(0.5,))
        outcome = Outcome(id=f"o{number}", task="price", value=1.0, at=at, received=at, prediction_id=prediction.id)
        journal.append([encode(prediction), encode(outcome)])
    journal.close()
    yield made
    made.database.dispose()


def findings(platform: Platform, name: str) -> tuple[str, ...]:
    """What is wrong by one check, where nothing is by the others."""
    checks = {check.name: check for check in verify(platform)}
    assert list(checks) == CHECKS
    others = {other: check.findings for other, check in checks.items() if other != name and check.findings}
    assert others == {}
    return checks[name].findings


def change(platform: Platform, statement: str) -> None:
    """As somebody does who has the file, and no respect for foreign keys."""
    with contextlib.closing(sqlite3.connect(platform.settings.folder / "tables.sqlite")) as connection:
        connection.execute(statement)
        connection.commit()


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x55
    path.chmod(0o600)
    path.write_bytes(content)


def blob(platform: Platform, digest: str) -> Path:
    (found,) = [path for path in (platform.settings.folder / "blobs").rglob(f"*{digest[8:]}*") if path.is_file()]
    return found


def test_nothing_is_wrong_with_what_was_written(platform: Platform) -> None:
    checks = verify(platform)
    assert [check.name for check in checks] == CHECKS
    assert all(check.findings == () for check in checks)
    summaries = {check.name: check.summary for check in checks}
    assert summaries["artifacts"].startswith("2 versions")
    assert summaries["champions"] == "1 live"
    assert summaries["journal"] == "20 records"
    assert "GiB free" in summaries["disk"]


def test_nothing_is_wrong_with_an_empty_project(tmp_path: Path) -> None:
    made = Platform(load_settings(tmp_path, environment={}))
    assert all(check.findings == () for check in verify(made))
    made.database.dispose()


def test_a_tampered_artifact_is_named_by_model_and_version(platform: Platform) -> None:
    path = blob(platform, platform.registry.versions.get("price", 2).artifact)
    flip(path, path.stat().st_size // 2)
    (finding,) = findings(platform, "artifacts")
    assert finding.startswith("price version 2: ")


def test_a_missing_artifact_is_named(platform: Platform) -> None:
    blob(platform, platform.registry.versions.get("price", 1).artifact).unlink()
    (finding,) = findings(platform, "artifacts")
    assert finding.startswith("price version 1: ")


def test_the_artifact_of_a_deleted_version_is_not_missed(platform: Platform) -> None:
    Retiring(platform.database, platform.blobs).delete("price", 2, actor="ann", now=2, reason="old")
    assert findings(platform, "artifacts") == ()


def test_a_champion_that_is_not_registered_is_named(platform: Platform) -> None:
    change(platform, "DELETE FROM versions WHERE version = 1")
    assert findings(platform, "champions") == ("price: champion 1 is not registered",)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'eve' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
    ],
)
def test_a_tampered_audit_row_is_named(platform: Platform, statement: str) -> None:
    last = platform.registry.audit.head().seq
    change(platform, statement)
    found = findings(platform, "audit")
    assert found
    assert any(f"audit row {last if 'max' in statement else 2}:" in one for one in found)


def test_a_tampered_journal_record_is_named_by_file_and_place(platform: Platform) -> None:
    (segment,) = [path for path in (platform.journal_folder / "w0").iterdir() if path.stat().st_size > 500]
    flip(segment, segment.stat().st_size // 2)
    found = findings(platform, "journal")
    assert found
    assert found[0].startswith(f"journal w0/{segment.name} at byte ")
    assert "record " in found[0]


def test_little_room_is_a_finding(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tropism.verification._LEAST_SPACE", 1 << 80)
    (finding,) = findings(platform, "disk")
    assert "make room" in finding


def test_a_check_that_cannot_be_made_does_not_stop_the_others(platform: Platform) -> None:
    change(platform, "UPDATE versions SET metrics = '5'")
    checks = {check.name: check for check in verify(platform)}
    assert list(checks) == CHECKS
    assert isinstance(checks["artifacts"], Check)
    assert checks["artifacts"].summary == "could not be checked"
    assert checks["artifacts"].findings
    assert checks["journal"].findings == ()
