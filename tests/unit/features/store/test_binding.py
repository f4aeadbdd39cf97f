from __future__ import annotations

import pytest
from tests.unit.features.store.world import World

from tropism.core.errors import InvalidInput
from tropism.core.task import Feature, Task
from tropism.features import Entity, FeatureView, Field, ParquetSource, Vector
from tropism.features.store import Definitions, StoredView, bind


def task(*views: str, features: tuple[Feature, ...] = (Feature("amount"),)) -> Task:
    return Task(name="fraud", kind="binary", target="fraud", features=features, views=views)


def test_a_task_gets_the_features_of_its_views_and_the_keys_they_are_found_by(world: World) -> None:
    bound = bind(task("profile", "spend.count_7d", "amount_ratio"), world.definitions)
    assert [(one.name, one.type, one.view) for one in bound.features] == [
        ("amount", "number", ""),
        ("profile.segment", "category", "profile@1"),
        ("profile.limit", "number", "profile@1"),
        ("spend.count_7d", "number", "spend@1"),
        ("amount_ratio", "number", "amount_ratio"),
    ]
    assert bound.keys == ("account_id",)
    assert [one.name for one in bound.sent] == ["amount"]
    assert [(one.name, one.type) for one in bound.asked.features] == [("amount", "number"), ("account_id", "category")]


def test_binding_twice_changes_nothing(world: World) -> None:
    once = bind(task("spend"), world.definitions)
    assert bind(once, world.definitions) == once


def test_a_key_that_the_model_reads_too_is_asked_for_once(world: World) -> None:
    bound = bind(task("spend", features=(Feature("account_id", "category"),)), world.definitions)
    assert bound.asked.feature_names == ("account_id",)
    assert "account_id" in bound.feature_names


def test_an_on_demand_feature_alone_needs_the_keys_of_what_it_reads(world: World) -> None:
    assert bind(task("amount_ratio"), world.definitions).keys == ("account_id",)


def test_a_declared_default_is_kept(world: World) -> None:
    bound = bind(task("spend", features=(Feature("spend.count_7d", default=0.0),)), world.definitions)
    assert bound.features[0] == Feature("spend.count_7d", default=0.0, view="spend@1")
    assert len(bound.features) == 4


def test_a_declaration_of_another_type_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="another type than its view"):
        bind(task("spend", features=(Feature("spend.count_7d", "category"),)), world.definitions)


def test_every_view_that_is_not_there_is_named(world: World) -> None:
    with pytest.raises(InvalidInput) as refused:
        bind(task("spent", "profile.limits"), world.definitions)
    assert [fault.fix for fault in refused.value.faults] == ["did you mean 'spend'?", "did you mean 'profile.limit'?"]


def test_vectors_and_times_are_none_of_what_a_task_reads() -> None:
    source = ParquetSource("a.parquet", timestamp="at")
    view = FeatureView("text", entity=Entity("a", key="a"), source=source, fields=(Field("vector", Vector(3)),))
    with pytest.raises(InvalidInput, match="a vector is none of what a task reads"):
        bind(task("text"), Definitions([StoredView(view, "text@1")]))
