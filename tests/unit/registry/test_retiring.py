from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import Conflict, UnknownVersion
from tropism.core.task import Feature, Policy, Task
from tropism.learners.artifact import read_manifest, store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.registry import NewChallenge, NewVersion, Registry
from tropism.registry.alias_history import alias_moves
from tropism.registry.levels import Levels
from tropism.registry.retiring import Retiring
from tropism.storage.blobs import Blobs

TASK = Task(name="price", kind="binary", target="y", features=(Feature("a"),))


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(str(tmp_path / "blobs"))


@pytest.fixture
def retiring(registry: Registry, blobs: Blobs) -> Retiring:
    registry.tasks.apply(TASK, 1)
    return Retiring(registry.db, blobs)


@pytest.fixture
def add(registry: Registry, blobs: Blobs) -> Callable[..., int]:
    """Registers a version with a real model; `metrics` change its manifest only, `seed` its files too."""

    def one(seed: int = 1, metrics: dict[str, Any] | None = None) -> int:
        random = np.random.default_rng(seed)
        a = random.normal(size=80)
        labels = np.asarray(a + random.normal(size=80) > 0, np.float64)
        data = Dataset(pa.table({"a": a}), labels, np.arange(80), None)
        artifact = store(fit_model(TASK, "linear", data), blobs, metrics)
        held: Any = registry.versions._blobs
        held.digests.add(artifact)
        new = NewVersion(model="price", artifact=artifact, learner="linear", window="all")
        return registry.versions.register(new, now=1, actor="ann")

    return one


@pytest.fixture
def promote(registry: Registry) -> Callable[[int], None]:
    def one(version: int) -> None:
        expected = registry.aliases.get("price", "champion")
        who = {"actor": "ann", "decision_id": f"d{version}", "policy": Policy(), "now": 2}
        registry.promotion.promote("price", version, expected=expected, **who)  # type: ignore[arg-type]

    return one


def test_a_retired_version_is_kept(
    registry: Registry, retiring: Retiring, blobs: Blobs, add: Callable[..., int]
) -> None:
    add()
    done = retiring.retire("m", "price", 1, actor="bob", now=3, reason="old")
    assert (done.before, done.level, done.reason) == ("none", "retired", "old")
    assert retiring.retire("m", "price", 1, actor="bob", now=4) == done
    with pytest.raises(Conflict, match="retired already"):
        retiring.retire("n", "price", 1, actor="bob", now=4)
    assert blobs.exists(registry.versions.get("price", 1).artifact)


def test_what_is_served_is_neither_retired_nor_deleted(
    registry: Registry, retiring: Retiring, add: Callable[..., int], promote: Callable[[int], None]
) -> None:
    for seed in (1, 2, 3, 4):
        add(seed)
    promote(1)
    promote(2)
    for version, fix in ((2, "promote another version first"), (1, "what a rollback goes back to")):
        with pytest.raises(Conflict, match=fix):
            retiring.retire("m", "price", version, actor="bob", now=3)
        with pytest.raises(Conflict, match=fix):
            retiring.delete("price", version, actor="bob", now=3, reason="space")
    registry.aliases.set("price", "canary", 3, actor="ann", now=3)
    with pytest.raises(Conflict, match="point the alias 'canary'"):
        retiring.delete("price", 3, actor="bob", now=3, reason="space")
    registry.challenges.open(NewChallenge(id="c", model="price", challenger=4, incumbent=2, alpha=0.05), now=3)
    with pytest.raises(Conflict, match="it is being compared"):
        retiring.delete("price", 4, actor="bob", now=3, reason="space")
    registry.challenges.close("c", "lost", now=4)
    assert retiring.delete("price", 4, actor="bob", now=5, reason="space").version == 4


def test_a_deleted_version_leaves_who_when_why_and_what(
    registry: Registry, retiring: Retiring, blobs: Blobs, add: Callable[..., int]
) -> None:
    add()
    artifact = registry.versions.get("price", 1).artifact
    files = [one.sha256 for one in read_manifest(artifact, blobs).files]
    left = retiring.delete("price", 1, actor="bob", now=3, reason="contains a name")
    assert (left.artifact, left.actor, left.at, left.reason) == (artifact, "bob", 3, "contains a name")
    assert retiring.tombstone("price", 1) == left
    assert not any(blobs.exists(digest) for digest in (artifact, *files))
    assert registry.versions.get("price", 1).state == "rejected"
    assert Levels(registry.db).get("price", 1).level == "deleted"
    assert [entry.action for entry in registry.audit.list(2)] == ["version.deleted", "level.moved"]
    assert add(2) == 2
    with pytest.raises(Conflict, match="was deleted by bob: contains a name"):
        Levels(registry.db).move("m", "price", 1, "none", expected="deleted", actor="ann", now=4)
    with pytest.raises(Conflict, match="was deleted"):
        retiring.retire("m", "price", 1, actor="ann", now=4)


def test_a_version_whose_promotion_waits_for_people_is_not_deleted(
    registry: Registry, retiring: Retiring, add: Callable[..., int]
) -> None:
    add()
    registry.approvals.request("a", "price", 1, "d", now=2)
    with pytest.raises(Conflict) as caught:
        retiring.delete("price", 1, actor="bob", now=3, reason="old")
    assert caught.value.faults[0].fix == "refuse that first: tropism approve price 1 --refuse"
    registry.approvals.refuse("a", actor="bob", now=4)
    assert retiring.delete("price", 1, actor="bob", now=5, reason="old").version == 1


def test_what_another_version_uses_stays(
    registry: Registry, retiring: Retiring, blobs: Blobs, add: Callable[..., int]
) -> None:
    for metrics in ({"a": 1}, {"a": 2}, {"a": 2}):
        add(1, metrics)
    first, second = (registry.versions.get("price", number).artifact for number in (1, 2))
    retiring.delete("price", 1, actor="bob", now=3, reason="space")
    assert not blobs.exists(first)
    assert all(blobs.exists(one.sha256) for one in read_manifest(second, blobs).files)
    retiring.delete("price", 2, actor="bob", now=3, reason="space")
    assert blobs.exists(second)
    retiring.delete("price", 3, actor="bob", now=3, reason="space")
    assert list(blobs.digests()) == []


def test_a_deletion_that_was_cut_off_is_finished(
    registry: Registry, retiring: Retiring, blobs: Blobs, add: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    add()

    def fails(digest: str) -> None:
        raise OSError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "delete", fails)
        with pytest.raises(OSError, match="cut off"):
            retiring.delete("price", 1, actor="bob", now=3, reason="space")
    rows = registry.audit.head().seq
    assert retiring.delete("price", 1, actor="cy", now=4, reason="again").actor == "bob"
    assert list(blobs.digests()) == []
    assert registry.audit.head().seq == rows


def test_files_stay_where_it_cannot_be_told_who_needs_them(
    registry: Registry, retiring: Retiring, blobs: Blobs, add: Callable[..., int]
) -> None:
    add(1, {"a": 1})
    add(1, {"a": 2})
    blobs.delete(registry.versions.get("price", 2).artifact)
    retiring.delete("price", 1, actor="bob", now=3, reason="space")
    assert len(list(blobs.digests())) == 1


def test_a_version_that_is_not_there_is_said_to_be_so(retiring: Retiring, add: Callable[..., int]) -> None:
    add()
    with pytest.raises(UnknownVersion):
        retiring.delete("price", 2, actor="bob", now=3, reason="space")


def test_where_aliases_pointed_is_told_from_the_audit_log(
    registry: Registry, retiring: Retiring, add: Callable[..., int], promote: Callable[[int], None]
) -> None:
    for seed in (1, 2):
        add(seed)
    promote(1)
    registry.aliases.set("price", "canary", 2, actor="bob", now=2)
    promote(2)
    registry.promotion.rollback("price", actor="cy", decision_id="r", now=3)
    found = [(one.alias, one.before, one.version, one.actor) for one in alias_moves(registry.db, "price")]
    assert found == [
        ("champion", 2, 1, "cy"),
        ("previous", 1, 2, "cy"),
        ("champion", 1, 2, "ann"),
        ("previous", None, 1, "ann"),
        ("canary", None, 2, "bob"),
        ("champion", None, 1, "ann"),
    ]
    assert [one.version for one in alias_moves(registry.db, "price", "canary")] == [2]
    assert alias_moves(registry.db, "pric_") == ()
