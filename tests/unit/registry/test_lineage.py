from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tropism.core.errors import InvalidInput, NotFound, UnknownModel, UnknownVersion
from tropism.core.task import Feature, Task
from tropism.features import Entity, FeatureView, Field, ParquetSource, StreamSource, agg
from tropism.registry import Registry
from tropism.registry.lineage import Direction, Graph, graph, link_training, with_inputs

Register = Callable[..., int]
DATA: dict[str, Any] = {
    "lake": {"predictions": {"version": 3, "positions": None}, "outcomes": {"version": 2, "positions": None}},
    "now": 50,
    "rows": 400,
    "sha256": "ab" * 32,
}
SET = "price/abababababababab"


@pytest.fixture
def spend() -> FeatureView:
    source = StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": float})
    fields = (agg.sum("amount", "24h"), agg.count("7d"))
    return FeatureView("spend", entity=Entity("account", key="account_id"), source=source, fields=fields)


@pytest.fixture
def profile() -> FeatureView:
    source = ParquetSource("profiles/*.parquet", timestamp="updated_at")
    return FeatureView("profile", entity=Entity("account", key="account_id"), source=source, fields=(Field("limit"),))


def task(*views: str) -> Task:
    features = (Feature("amount"), *(Feature(f"{view.split('@')[0]}.x", view=view) for view in views))
    return Task(name="price", kind="regression", target="y", features=features)


def keys(found: Graph) -> set[tuple[str, str]]:
    return {node.key for node in found.nodes}


def drawn(found: Graph) -> set[tuple[str, str]]:
    return {(f"{one.from_kind} {one.from_id}", f"{one.to_kind} {one.to_id}") for one in found.edges}


@pytest.fixture
def trained(registry: Registry, register: Register, spend: FeatureView, profile: FeatureView) -> Registry:
    """Version 1 of `price`, trained with features of `spend`."""
    registry.features.apply([spend, profile], 10)
    signature = {"inputs": [{"name": "amount", "type": "number"}]}
    version = register(data=DATA, signature=signature)
    link_training(registry, task("spend@1"), version, DATA, 60)
    return registry


def test_a_model_leads_up_to_its_sources(trained: Registry) -> None:
    found = graph(trained, "model", "price/1", "up")
    assert drawn(found) == {
        ("source stream:payments", "view spend@1"),
        ("view spend@1", f"training-set {SET}"),
        ("lake price/predictions", f"training-set {SET}"),
        ("lake price/outcomes", f"training-set {SET}"),
        (f"training-set {SET}", "model price/1"),
    }
    facts = {node.key: node.facts for node in found.nodes}
    assert facts["training-set", SET]["rows"] == 400
    assert facts["model", "price/1"]["learner"] == "linear"
    assert facts["view", "spend@1"]["fields"] == [
        {"name": "account_id", "type": "text"},
        {"name": "sum_amount_24h", "type": "number"},
        {"name": "count_7d", "type": "integer"},
    ]
    assert {"name": "amount", "type": "number"} in facts["source", "stream:payments"]["fields"]


def test_a_source_leads_down_to_the_models_of_its_views(trained: Registry) -> None:
    found = graph(trained, "source", "stream:payments", "down")
    assert keys(found) == {
        ("source", "stream:payments"),
        ("view", "spend@1"),
        ("training-set", SET),
        ("model", "price/1"),
    }
    assert keys(graph(trained, "source", "parquet:profiles/*.parquet")) == {
        ("source", "parquet:profiles/*.parquet"),
        ("view", "profile@1"),
    }


@pytest.mark.parametrize(("direction", "count"), [("up", 2), ("down", 3), ("both", 4)], ids=["up", "down", "both"])
def test_either_way_or_both(trained: Registry, direction: Direction, count: int) -> None:
    found = graph(trained, "view", "spend@1", direction)
    assert len(found.nodes) == count
    assert len(found.edges) == count - 1


def test_a_task_without_views_has_lineage_too(registry: Registry, register: Register) -> None:
    link_training(registry, task(), register(), DATA, 60)
    assert drawn(graph(registry, "model", "price")) == {
        ("lake price/predictions", f"training-set {SET}"),
        ("lake price/outcomes", f"training-set {SET}"),
        (f"training-set {SET}", "model price/1"),
    }


def test_linking_again_changes_nothing_even_with_another_view_live(trained: Registry, spend: FeatureView) -> None:
    before = graph(trained, "model", "price/1")
    fields = (agg.sum("amount", "1h"),)
    changed = FeatureView("spend", entity=spend.entity, source=spend.source, fields=fields)
    trained.features.apply([changed], 70)
    link_training(trained, task("spend"), 1, DATA, 80)
    assert graph(trained, "model", "price/1").edges == before.edges


def test_the_live_version_is_linked_where_a_feature_names_none(
    registry: Registry, register: Register, spend: FeatureView
) -> None:
    registry.features.apply([spend], 10)
    link_training(registry, task("spend"), register(), DATA, 60)
    assert ("view", "spend@1") in keys(graph(registry, "model", "price/1", "up"))


def test_versions_that_are_left_out_are_found(trained: Registry, register: Register, spend: FeatureView) -> None:
    assert graph(trained, "view", "spend").id == "spend@1"
    register()
    assert graph(trained, "model", "price").id == "price/2"


def test_other_rows_are_another_training_set(trained: Registry, register: Register) -> None:
    link_training(trained, task("spend@1"), register(), DATA | {"sha256": "cd" * 32}, 90)
    found = graph(trained, "view", "spend@1", "down")
    assert {name for kind, name in keys(found) if kind == "training-set"} == {SET, "price/cdcdcdcdcdcdcdcd"}
    assert {name for kind, name in keys(found) if kind == "model"} == {"price/1", "price/2"}


def test_a_graph_gets_all_inputs_of_what_it_shows(trained: Registry) -> None:
    found = graph(trained, "lake", "price/outcomes", "down")
    assert ("view", "spend@1") not in keys(found)
    whole = with_inputs(trained, found)
    assert {("view", "spend@1"), ("lake", "price/predictions")} <= keys(whole)
    assert len(whole.edges) == len(set(drawn(whole))) == 4


def test_a_dropped_view_stays_in_lineage(trained: Registry) -> None:
    trained.features.drop("spend", 1, 90)
    found = graph(trained, "model", "price/1", "up")
    (view,) = [node for node in found.nodes if node.kind == "view"]
    assert view.facts["state"] == "dropped"


@pytest.mark.parametrize(
    ("kind", "name", "error", "words"),
    [
        ("cake", "x", InvalidInput, "use one of: source, view"),
        ("prediction", "x", InvalidInput, "use one of: source, view"),
        ("view", "nix", NotFound, "use one of: profile, spend"),
        ("view", "spend@9", UnknownVersion, "use one of: 1"),
        ("view", "spend@x", InvalidInput, "write it as spend@2"),
        ("model", "nix", UnknownModel, "use one of: price"),
        ("model", "price/9", UnknownVersion, "it has version 1 only"),
        ("model", "price/99999999999999999999", InvalidInput, "write it as"),
        ("source", "nix", NotFound, "parquet:profiles/*.parquet, stream:payments"),
        ("training-set", "nix", NotFound, SET),
        ("lake", "nix", NotFound, "price/outcomes"),
    ],
)
def test_what_is_not_there_says_what_is(
    trained: Registry, kind: str, name: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        graph(trained, kind, name)
    assert words in str(caught.value)


def test_an_empty_registry_says_when_links_are_written(registry: Registry) -> None:
    with pytest.raises(NotFound, match="when features are applied and models are trained"):
        graph(registry, "source", "stream:payments")
