from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from tropism.core.errors import Conflict, IntegrityError, UnknownTask
from tropism.core.task import Feature, Policy, Task
from tropism.storage.tables.schema import tasks

if TYPE_CHECKING:
    from tropism.registry import Registry


def _task(**fields: Any) -> Task:
    given = {"name": "price", "kind": "binary", "target": "up", "features": (Feature("demand"), Feature("day"))}
    return Task(**{**given, **fields})


def test_a_task_comes_back_as_it_was_applied(registry: Registry) -> None:
    features = (Feature("a", default=None), Feature("b", "category", nullable=False), Feature("c", default=2))
    task = _task(kind="multiclass", classes=("x", "y"), features=features, unanswered="x", entity="shop")
    assert registry.tasks.apply(task, 5).status == "created"
    assert registry.tasks.get("price") == task
    assert registry.tasks.all() == (task,)


def test_applying_the_same_again_changes_nothing(registry: Registry) -> None:
    registry.tasks.apply(_task(features=(Feature("a", default=1),)), 1)
    moved = registry.aliases.generation()
    again = registry.tasks.apply(_task(features=(Feature("a", default=1.0),)), 2)
    assert (again.status, again.revision) == ("unchanged", 1)
    assert registry.aliases.generation() == moved


def test_a_change_moves_revision_and_generation(registry: Registry) -> None:
    registry.tasks.apply(_task(), 1)
    registry.tasks.apply(_task(name="other"), 1)
    before = registry.tasks.revision(), registry.aliases.generation()
    changed = registry.tasks.apply(_task(policy=Policy(approval=True), outcome_window="2d"), 2)
    assert (changed.status, changed.revision) == ("changed", 2)
    assert (registry.tasks.revision(), registry.aliases.generation()) == (before[0] + 1, before[1] + 1)
    assert registry.tasks.get("price").policy.approval


def test_a_change_that_breaks_history_is_refused_whole(registry: Registry) -> None:
    registry.tasks.apply(_task(), 1)
    with pytest.raises(Conflict) as caught:
        registry.tasks.apply(_task(kind="regression", features=(Feature("demand", "category"),)), 2)
    faults = {fault.field: fault.value for fault in caught.value.faults}
    assert faults["kind"] == "'regression', it was 'binary'"
    assert faults["features.demand.type"] == "'category', it was 'number'"
    assert faults["features.day"] == "removed, it was a number"
    assert registry.tasks.get("price") == _task()
    assert registry.audit.head().seq == 1


def test_an_unknown_task_lists_the_known_ones(registry: Registry) -> None:
    with pytest.raises(UnknownTask) as nothing:
        registry.tasks.get("prise")
    assert "declare it" in nothing.value.faults[0].fix
    registry.tasks.apply(_task(), 1)
    with pytest.raises(UnknownTask) as caught:
        registry.tasks.get("prise")
    assert caught.value.faults[0].fix == "use one of: price"


def test_a_stored_task_that_does_not_decode_is_named(registry: Registry) -> None:
    registry.tasks.apply(_task(), 1)
    with registry.db.begin() as connection:
        connection.execute(update(tasks).values(spec='{"name": "price"}'))
    with pytest.raises(IntegrityError, match="price"):
        registry.tasks.get("price")
