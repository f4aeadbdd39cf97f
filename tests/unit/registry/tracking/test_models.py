"""Registered models, their versions and aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tropism.core.errors import InvalidInput, NotFound, PolicyRefused
from tropism.core.task import Feature, Task
from tropism.registry.audit import Audit
from tropism.registry.tasks import Tasks
from tropism.registry.tracking.model_aliases import ModelAliases

if TYPE_CHECKING:
    from tropism.registry.tracking import Tracking

_SOURCE = "mlflow-artifacts:/0/run/artifacts/model"


@pytest.fixture
def two(tracking: Tracking) -> Tracking:
    """Has a model `price` of two versions."""
    tracking.models.create("price", 1)
    for now in (2, 3):
        tracking.versions.create("price", _SOURCE, now)
    return tracking


def _task(tracking: Tracking) -> None:
    Tasks(tracking.db).apply(Task(name="price", kind="binary", target="up", features=(Feature("demand"),)), 1)


def test_a_number_is_never_given_twice(two: Tracking) -> None:
    two.versions.delete("price", 2, 4)
    assert two.versions.create("price", _SOURCE, 5).version == 3


def test_an_alias_moves_and_each_move_is_in_the_audit_log(two: Tracking) -> None:
    for version in (1, 2, 2):
        two.aliases.set("price", "best", version, 4)
    assert two.aliases.get("price", "best").version == 2
    two.aliases.delete("price", "best", 5)
    actions = [entry.action for entry in Audit(two.db).list(3)]
    assert actions == ["registered-alias.removed", "registered-alias.moved", "registered-alias.moved"]
    assert Audit(two.db).verify() == ()


def test_a_deleted_version_takes_its_aliases(two: Tracking) -> None:
    two.aliases.set("price", "best", 2, 4)
    two.versions.delete("price", 2, 5)
    with pytest.raises(NotFound, match="alias"):
        two.aliases.get("price", "best")


def test_a_champion_of_a_task_moves_by_its_policy(two: Tracking) -> None:
    asked: list[tuple[str, int]] = []
    aliases = ModelAliases(two.db, lambda model, version, actor: asked.append((model, version)))
    aliases.set("price", "champion", 1, 4)
    _task(two)
    aliases.set("price", "champion", 2, 5)
    assert asked == []
    two.versions.imported("price", 1, 7, 6)
    aliases.set("price", "challenger", 1, 7)
    aliases.set("price", "champion", 1, 8)
    assert asked == [("price", 7)]


def test_without_a_policy_the_champion_of_a_task_stays(two: Tracking) -> None:
    _task(two)
    two.versions.imported("price", 1, 7, 4)
    with pytest.raises(PolicyRefused, match="tropism promote price 7"):
        two.aliases.set("price", "champion", 1, 5)
    with pytest.raises(NotFound):
        two.aliases.get("price", "champion")


@pytest.mark.parametrize("alias", ["", "a b", "latest", "V1", "x" * 256, "a/b"])
def test_some_aliases_are_refused(two: Tracking, alias: str) -> None:
    with pytest.raises(InvalidInput):
        two.aliases.set("price", alias, 1, 4)


@pytest.mark.parametrize("source", ["", "/etc/passwd", "model", "file:///etc/passwd"])
def test_a_path_of_a_machine_is_no_source(two: Tracking, source: str) -> None:
    with pytest.raises(InvalidInput):
        two.versions.create("price", source, 4)


def test_a_model_keeps_everything_under_a_new_name(two: Tracking) -> None:
    two.aliases.set("price", "best", 1, 4)
    two.models.rename("price", "cost", 5)
    found = two.models.get("cost")
    assert found.aliases == {"best": 1}
    assert found.latest is not None
    assert found.latest.version == 2
    assert [one.version for one in two.versions.search("name = 'cost'", ["version_number ASC"])] == [1, 2]


def test_models_that_are_no_prompts_are_found_as_clients_ask(two: Tracking) -> None:
    two.models.create("greeting", 4, tags={"mlflow.prompt.is_prompt": "true"})
    found = two.models.search("tag.`mlflow.prompt.is_prompt` != 'true'")
    assert [one.name for one in found] == ["price"]
