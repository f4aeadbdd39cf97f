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
    from collections.abc import Callable

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
    policy = _Policy()
    aliases = ModelAliases(two.db, two.files, policy)
    aliases.set("price", "champion", 1, 4)
    _task(two)
    two.versions.imported("price", 1, 7, 6)
    aliases.set("price", "challenger", 1, 7)
    aliases.set("price", "champion", 1, 8)
    assert (policy.brought, policy.promoted) == ([], [("price", 7)])


def test_the_files_of_a_version_become_one_of_the_task_once(two: Tracking) -> None:
    _task(two)
    policy, model = _Policy(), two.logged.create("0", 3, name="m")
    two.files.put(f"0/models/{model.id}/artifacts/MLmodel", b"flavors: {}", 4)
    aliases = ModelAliases(two.db, two.files, policy)
    version = two.versions.create("price", f"models:/{model.id}", 5).version
    for now in (6, 7):
        aliases.set("price", "champion", version, now)
    assert policy.brought == [("price", b"flavors: {}")]
    assert policy.promoted == [("price", 3), ("price", 3)]
    assert two.versions.get("price", version).imported == 3


def test_a_tag_says_which_task_a_model_belongs_to(two: Tracking) -> None:
    _task(two)
    two.models.create("other", 3)
    two.versions.create("other", "mlflow-artifacts:/0/r/artifacts/m", 3)
    two.versions.imported("other", 1, 4, 3)
    policy = _Policy()
    aliases = ModelAliases(two.db, two.files, policy)
    aliases.set("other", "champion", 1, 4)
    assert policy.promoted == []
    two.models.set_tag("other", "tropism.task", "price", 5)
    aliases.set("other", "champion", 1, 6)
    assert policy.promoted == [("price", 4)]
    two.models.set_tag("other", "tropism.task", "nix", 7)
    with pytest.raises(InvalidInput, match="name a task"):
        aliases.set("other", "champion", 1, 8)


def test_a_version_whose_files_are_elsewhere_does_not_become_champion(two: Tracking) -> None:
    _task(two)
    two.versions.create("price", "s3://bucket/model", 4)
    version = two.versions.create("price", "s3://bucket/model", 4).version
    with pytest.raises(InvalidInput, match="not here"):
        ModelAliases(two.db, two.files, _Policy()).set("price", "champion", version, 5)


class _Policy:
    """Lets everything pass, and keeps what it was asked."""

    def __init__(self) -> None:
        self.brought: list[tuple[str, bytes]] = []
        self.promoted: list[tuple[str, int]] = []

    def bring(self, task: str, read: Callable[[str], bytes], source: str, actor: str) -> int:
        self.brought.append((task, read("MLmodel")))
        return 3

    def promote(self, task: str, version: int, actor: str) -> None:
        self.promoted.append((task, version))


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
