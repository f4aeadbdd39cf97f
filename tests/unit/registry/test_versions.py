from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tropism.core.errors import Conflict, InvalidInput, UnknownModel, UnknownVersion
from tropism.registry import NewVersion

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.registry import Registry


def test_versions_count_from_one_within_a_model(registry: Registry, register: Callable[..., int]) -> None:
    assert [register(), register(), register("fraud"), register()] == [1, 2, 1, 3]
    assert [(one.model, one.version) for one in registry.versions.list()] == [
        ("fraud", 1),
        ("price", 1),
        ("price", 2),
        ("price", 3),
    ]
    assert len(registry.versions.list("fraud")) == 1
    assert registry.versions.list("absent") == ()


def test_a_version_comes_back_as_it_was_registered(registry: Registry) -> None:
    new = NewVersion(
        model="price",
        artifact="a" * 64,
        learner="lightgbm",
        window="recent",
        metrics={"auc": {"value": 0.7, "low": 0.6, "high": float("nan")}},
        data={"rows": 10, "sha256": "ff"},
        signature={"kind": "binary"},
        environment={"python": "3.11"},
        parameters={"leaves": 31},
        parent=None,
        job_id="j",
    )
    registry.versions.register(new, now=7)
    stored = registry.versions.get("price", 1)
    assert (stored.state, stored.created_at, stored.learner, stored.job_id) == ("candidate", 7, "lightgbm", "j")
    assert stored.metrics == {"auc": {"value": 0.7, "low": 0.6, "high": None}}
    assert (stored.data, stored.parameters) == ({"rows": 10, "sha256": "ff"}, {"leaves": 31})


def test_a_version_without_its_artifact_is_refused(registry: Registry, register: Callable[..., int]) -> None:
    with pytest.raises(InvalidInput) as caught:
        register(artifact="b" * 64)
    assert (caught.value.faults[0].field, caught.value.faults[0].value) == ("artifact", "b" * 64)
    assert registry.versions.list() == ()


def test_a_job_that_registers_again_gets_its_number_again(registry: Registry, register: Callable[..., int]) -> None:
    assert [register(job_id="j"), register(), register(job_id="j")] == [1, 2, 1]
    assert len(registry.versions.list()) == 2


def test_a_job_registers_for_one_model_only(register: Callable[..., int]) -> None:
    register(job_id="j")
    with pytest.raises(Conflict, match="something else"):
        register("fraud", job_id="j")


@pytest.mark.parametrize("version", [-1, 0, 3, 1 << 31, 1 << 80])
def test_an_unknown_version_says_which_there_are(
    registry: Registry, register: Callable[..., int], version: int
) -> None:
    register()
    register()
    with pytest.raises(UnknownVersion) as caught:
        registry.versions.get("price", version)
    assert caught.value.faults[0].fix == "use one of 1 to 2"


def test_an_unknown_model_lists_the_known_ones(registry: Registry, register: Callable[..., int]) -> None:
    with pytest.raises(UnknownModel, match="tropism train"):
        registry.versions.get("prise", 1)
    register()
    with pytest.raises(UnknownModel, match="use one of: price"):
        registry.versions.get("prise", 1)


def test_two_versions_are_compared(registry: Registry, register: Callable[..., int]) -> None:
    register(metrics={"auc": {"value": 0.7}}, data={"rows": 10}, signature={"kind": "binary"})
    register(metrics={"auc": {"value": 0.8}}, data={"rows": 10}, signature={"kind": "binary"}, learner="lightgbm")
    found = registry.versions.compare("price", 1, 2)
    assert (found.a, found.b, found.data, found.signature) == (1, 2, (), ())
    assert [(one.field, one.a, one.b) for one in found.metrics] == [("auc.value", 0.7, 0.8)]
    assert [(one.field, one.a, one.b) for one in found.parameters] == [("learner", "linear", "lightgbm")]
    with pytest.raises(UnknownVersion):
        registry.versions.compare("price", 1, 9)
