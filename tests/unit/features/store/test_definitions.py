from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.features.store.world import ACCOUNT, PAYMENTS, RATIO, SPEND, VISITS, World

from tropism.core.errors import UnknownFeature
from tropism.features import FeatureView, agg, on_demand
from tropism.features.store import Definitions, StoredView


def test_a_view_stands_for_its_features_and_a_version_for_those_it_had(world: World) -> None:
    old = FeatureView("spend", entity=ACCOUNT, source=PAYMENTS, fields=(agg.count("1h"),))
    found = Definitions([StoredView(SPEND, "spend@2")], [StoredView(old, "spend@1")])
    assert [one.name for one in found.find("spend")] == [f"spend.{name}" for name in SPEND.names]
    assert [one.name for one in found.find("spend@1")] == ["spend.count_1h"]
    assert [one.name for one in found.find("spend@2.count_7d")] == ["spend.count_7d"]


def test_features_have_the_types_of_their_columns(world: World) -> None:
    assert {one.name: str(one.dtype.kind) for one in world.definitions.find("spend")} == {
        "spend.sum_amount_24h": "decimal",
        "spend.count_7d": "integer",
        "spend.mean_amount_30d": "number",
        "spend.distinct_merchant_7d": "integer",
    }
    assert StoredView(VISITS, "visits@1").dtypes[0].kind == "integer"


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("spend.count_7dd", "did you mean 'spend.count_7d'?"),
        ("amount_rati", "did you mean 'amount_ratio'?"),
        ("spend@7", "did you mean 'spend'?"),
        ("", "use one of: "),
    ],
)
def test_a_name_that_is_not_there_is_refused_with_the_nearest_one(world: World, name: str, fix: str) -> None:
    with pytest.raises(UnknownFeature) as refused:
        world.definitions.find(name)
    assert refused.value.faults[0].fix.startswith(fix)


def test_without_definitions_the_error_says_where_to_declare_one() -> None:
    with pytest.raises(UnknownFeature, match=r"declare it in project\.py"):
        Definitions([]).find("spend")


def test_an_on_demand_feature_needs_what_its_function_names(world: World) -> None:
    assert [one.name for one in world.definitions.needs(RATIO)] == ["spend.mean_amount_30d"]

    def nested(f: Mapping[str, Any], request: Mapping[str, Any]) -> Any:
        return sum(f[name] for name in ("spend.count_7d", "spend.sum_amount_24h")) + request["spend.nothing"]

    names = [one.name for one in world.definitions.needs(on_demand(nested, name="total"))]
    assert names == ["spend.count_7d", "spend.sum_amount_24h"]
