"""What is stored is changed behind Tropism's back: each change is found and named, and never served."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from tropism.config import load_settings
from tropism.core.events import Prediction, encode
from tropism.core.identity import Identifiers, derived_id
from tropism.core.task import Feature, Policy, Task
from tropism.entrypoints.api.data_plane import DataPlane
from tropism.entrypoints.cli.main import main
from tropism.learners.artifact import read_manifest, store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.registry import NewVersion
from tropism.serving import SnapshotHolder, Watcher
from tropism.storage.journal import JournalReader
from tropism.storage.tables.schema import audit
from tropism.wiring import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.fault

TASK = Task(name="price", kind="regression", target="y", features=(Feature("demand"),), learners=("linear",))
LEVELS = {1: -1_000.0, 2: 1_000.0}
"""About what each version predicts."""
ROW = {"features": {"demand": 0.5}}


class Project:
    """A small project: two versions, the second of which may be promoted, and some predictions in the journal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.platform = Platform(load_settings(folder, {"journal": {"fsync": "os"}}, environment={}))
        self.platform.registry.tasks.apply(TASK, 0)
        for version in LEVELS:
            self._register(version)
        self.promote(1, None)
        self.journal = self.platform.journal()
        for index in range(20):
            event = Prediction(
                id=derived_id(index, "p"), task="price", at=index, features={"demand": 0.5}, scores=(0.0,), version=1
            )
            self.journal.append([encode(event)])

    def close(self) -> None:
        self.journal.close()
        self.platform.database.dispose()

    def _register(self, version: int) -> None:
        random = np.random.default_rng(version)
        features = random.normal(size=200)
        labels = LEVELS[version] + features + random.normal(size=200)
        data = Dataset(pa.table({"demand": features}), labels, np.arange(200, dtype=np.int64), None)
        digest = store(fit_model(TASK, "linear", data, seed=0), self.platform.blobs)
        new = NewVersion(model="price", artifact=digest, learner="linear", window="all", job_id=f"job-{version}")
        assert self.platform.registry.versions.register(new, now=version) == version

    def promote(self, version: int, expected: int | None) -> None:
        self.platform.registry.promotion.promote(
            "price",
            version,
            expected=expected,
            actor="test",
            decision_id=derived_id(version, f"promote {version}"),
            policy=Policy(),
            now=10 + version,
        )

    def digests(self, version: int) -> tuple[str, str]:
        """Of a version's manifest, and of its only file of numbers."""
        manifest = self.platform.registry.versions.get("price", version).artifact
        (file,) = read_manifest(manifest, self.platform.blobs).files
        return manifest, file.sha256

    def blob(self, digest: str) -> Path:
        (path,) = self.platform.settings.folder.glob(f"blobs/*/{digest}")
        return path

    def doctor(self) -> int:
        return main(["-C", str(self.folder), "doctor"])


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    made.close()


def flip(path: Path, offset: int = -1) -> bytes:
    """Change one bit of a byte; what was there before."""
    before = path.read_bytes()
    data = bytearray(before)
    data[offset] ^= 1
    path.write_bytes(data)
    return before


def test_doctor_finds_nothing_wrong_with_a_sound_project(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.doctor()
    lines = capsys.readouterr().out.splitlines()
    for name in ("artifacts", "champions", "audit", "journal"):
        assert any(line.split()[:2] == ["ok", f"{name}:"] for line in lines), lines


@pytest.mark.parametrize("part", [0, 1], ids=["manifest", "numbers"])
def test_doctor_names_a_tampered_artifact(project: Project, part: int, capsys: pytest.CaptureFixture[str]) -> None:
    digest = project.digests(2)[part]
    flip(project.blob(digest), 40)
    assert project.doctor() == 1
    out = capsys.readouterr().out
    assert "price version 2" in out
    assert digest in out
    assert "price version 1" not in out


def test_doctor_names_an_artifact_that_is_gone(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    digest = project.digests(1)[1]
    project.blob(digest).unlink()
    assert project.doctor() == 1
    out = capsys.readouterr().out
    assert "price version 1" in out
    assert digest in out


@pytest.mark.parametrize("column", ["actor", "detail", "at", "digest"])
def test_doctor_names_a_changed_row_of_the_audit_trail(
    project: Project, column: str, capsys: pytest.CaptureFixture[str]
) -> None:
    forged: dict[str, Any] = {"actor": "somebody", "detail": "{}", "at": 1_000, "digest": "0" * 64}
    with project.platform.database.begin() as connection:
        connection.execute(audit.update().where(audit.c.seq == 2).values({column: forged[column]}))
    assert project.doctor() == 1
    assert "audit row 2" in capsys.readouterr().out


@pytest.mark.parametrize("which", ["first", "last"])
def test_doctor_names_a_row_that_was_cut_out_of_the_audit_trail(
    project: Project, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seq = 1 if which == "first" else project.platform.registry.audit.head().seq
    with project.platform.database.begin() as connection:
        connection.execute(audit.delete().where(audit.c.seq == seq))
    assert project.doctor() == 1
    assert f"audit row {seq}" in capsys.readouterr().out


def test_doctor_names_a_tampered_record_of_the_journal(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (segment,) = project.platform.journal_folder.glob("w0/*.seg")
    flip(segment, segment.stat().st_size // 2)
    assert project.doctor() == 1
    out = capsys.readouterr().out
    (finding,) = JournalReader(project.platform.journal_folder).verify()
    assert 1 < finding.seq < 20
    assert f"journal w0/{segment.name} at byte {finding.offset}, record {finding.seq}" in out


def test_the_rest_of_a_tampered_journal_still_reaches_the_lake(project: Project) -> None:
    (segment,) = project.platform.journal_folder.glob("w0/*.seg")
    flip(segment, segment.stat().st_size // 2)
    (finding,) = JournalReader(project.platform.journal_folder).verify()
    project.platform.ingest()
    kept = project.platform.lake.read("price/predictions", columns=["seq"])["seq"].to_pylist()
    assert sorted(kept) == [seq for seq in range(1, 21) if seq != finding.seq]


class Serving:
    """A data plane over a project, without a process."""

    def __init__(self, project: Project) -> None:
        platform = project.platform
        self.holder = SnapshotHolder()
        self.watcher = Watcher(self.holder, platform.registry.aliases.generation, platform.snapshot_loader())
        self._app = DataPlane(
            holder=self.holder,
            journal=project.journal,
            clock=platform.clock,
            identifiers=Identifiers(),
            settings=platform.settings.http,
        )

    async def ask(self, method: str = "POST", path: str = "/v1/tasks/price/predict") -> Any:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
            reply = await http.request(method, path, json=ROW if method == "POST" else None)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def answers(self, version: int, degraded: list[str]) -> bool:
        """Whether a prediction comes from a version, says so, and how it is degraded."""
        reply = await self.ask()
        level = LEVELS.get(version, 0.0)
        return (reply["version"], reply["degraded"]) == (version, degraded) and abs(reply["prediction"] - level) < 100


@pytest.fixture
def serving(project: Project) -> Serving:
    made = Serving(project)
    assert made.watcher.poll()
    return made


@pytest.mark.parametrize("part", [0, 1], ids=["manifest", "numbers"])
async def test_a_tampered_champion_is_refused_and_the_last_one_serves_on(
    project: Project, serving: Serving, part: int
) -> None:
    assert await serving.answers(1, [])
    path = project.blob(project.digests(2)[part])
    sound = flip(path, 40)
    project.promote(2, expected=1)
    serving.watcher.poll()
    assert await serving.answers(1, ["champion-unavailable"])
    ready = await serving.ask("GET", "/readyz")
    assert ready["models"]["price"]["degraded"] == ["champion-unavailable"]
    assert "price" in ready["problem"]

    path.write_bytes(sound)
    for _ in range(10):
        serving.watcher.poll()
    assert await serving.answers(2, [])
    assert (await serving.ask("GET", "/readyz"))["problem"] == ""


async def test_a_data_plane_that_starts_with_a_tampered_champion_serves_the_previous_one(project: Project) -> None:
    project.promote(2, expected=1)
    flip(project.blob(project.digests(2)[1]), 40)
    serving = Serving(project)
    serving.watcher.poll()
    assert await serving.answers(1, ["champion-unavailable"])


async def test_when_every_model_is_tampered_with_the_baseline_answers(project: Project) -> None:
    project.promote(2, expected=1)
    with ExitStack() as restored:
        for version in LEVELS:
            path = project.blob(project.digests(version)[0])
            restored.callback(path.write_bytes, flip(path, 40))
        serving = Serving(project)
        serving.watcher.poll()
        assert await serving.answers(0, ["champion-unavailable", "no-model"])
    for _ in range(10):
        serving.watcher.poll()
    assert await serving.answers(2, [])


async def test_what_is_served_already_is_not_changed_by_tampering(project: Project, serving: Serving) -> None:
    for digest in project.digests(1):
        flip(project.blob(digest), 40)
    serving.watcher.poll()
    assert await serving.answers(1, [])
