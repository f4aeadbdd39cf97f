"""MLflow's alias `champion` where the task's policy asks for a person's word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tropism.core.clock import ManualClock
from tropism.core.errors import PolicyRefused
from tropism.core.task import Policy, Task
from tropism.registry import NewVersion, Registry
from tropism.storage.blobs import Blobs
from tropism.storage.tables import Database
from tropism.training.mlmodels.champions import Champions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def registry(tmp_path: Path, task: Task) -> Iterator[Registry]:
    database = Database(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    database.migrate()
    blobs = Blobs(str(tmp_path / "blobs"))
    made = Registry(database, blobs)
    strict = Task(name=task.name, kind=task.kind, target=task.target, features=task.features,
                  policy=Policy(approval=True))  # fmt: skip
    made.tasks.apply(strict, 1)
    new = NewVersion(model=task.name, artifact=blobs.put(b"model"), learner="linear", window="all")
    made.versions.register(new, now=1, actor="ann")
    yield made
    database.dispose()


def test_an_approval_that_was_given_is_used_and_one_that_waits_is_not(registry: Registry, tmp_path: Path) -> None:
    champions = Champions(registry, Blobs(str(tmp_path / "blobs")), ManualClock(5))
    with pytest.raises(PolicyRefused, match="needs approval"):
        champions.promote("pay", 1, "mlflow")
    registry.approvals.request("a", "pay", 1, "d", now=2)
    with pytest.raises(PolicyRefused, match="needs approval"):
        champions.promote("pay", 1, "mlflow")
    registry.approvals.approve("a", actor="bob", now=3)
    champions.promote("pay", 1, "mlflow")
    assert registry.aliases.get("pay", "champion") == 1
    assert registry.approvals.get("a").status == "spent"
    champions.promote("pay", 1, "mlflow")  # again changes nothing
