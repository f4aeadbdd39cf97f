from __future__ import annotations

from decimal import Decimal as Number

import msgspec
import pyarrow as pa
import pytest
from tests.unit.features.store.world import PROFILE, World, moment

from tropism.core.errors import InvalidInput, UnknownFeature
from tropism.features.checks import rule
from tropism.features.store import Definitions, StoredView
from tropism.features.store.histories import named_training_set


def labels(*rows: tuple[str | None, float, float]) -> pa.Table:
    keys, hours, amounts = zip(*rows, strict=True)
    return pa.table({"account_id": pa.array(keys), "time": [moment(one) for one in hours], "amount": list(amounts)})


def made(world: World, given: pa.Table, *names: str) -> pa.Table:
    return named_training_set(given, world.definitions, names, world.sources("training-set"), at="time")


def test_features_of_all_kinds_as_they_were_known(world: World) -> None:
    world.profiles(("a", 0, "silver", "5.00"), ("a", 20, "gold", "7.00"))
    world.at(10)
    world.push(("a", 8, "10.00", "m1"))
    world.at(30)
    world.push(("a", 9, "30.00", "m2"))  # late by 21 hours
    given = labels(("a", 25, 40.0), ("a", 31, 40.0), (None, 31, 40.0), ("a", 5, 40.0))
    table = made(world, given, "amount_ratio", "profile.segment", "spend.count_7d", "last.merchant")
    assert table.select(given.column_names).equals(given)
    assert table.column_names[3:] == ["amount_ratio", "profile.segment", "spend.count_7d", "last.merchant"]
    assert table["amount_ratio"].to_pylist() == [4.0, 2.0, None, None]
    assert table["profile.segment"].to_pylist() == ["gold", "gold", None, "silver"]
    assert table["spend.count_7d"].to_pylist() == [1, 2, 0, 0]
    assert table["last.merchant"].to_pylist() == ["m1", "m2", None, None]


def test_an_on_demand_feature_alone_brings_no_other_column(world: World) -> None:
    world.at(10)
    world.push(("a", 8, "10.00", "m1"))
    assert made(world, labels(("a", 11, 5.0)), "amount_ratio").column_names == [
        "account_id",
        "time",
        "amount",
        "amount_ratio",
    ]


def test_columns_that_clash_and_features_that_are_not_there_are_refused(world: World) -> None:
    given = labels(("a", 1, 1.0)).append_column("amount_ratio", [[1.0]])
    with pytest.raises(InvalidInput, match="two columns would have one name"):
        made(world, given, "amount_ratio")
    with pytest.raises(UnknownFeature, match=r"spend\.count_7d"):
        made(world, labels(("a", 1, 1.0)), "spend.count_8d")


def test_a_rejected_row_is_in_no_column(world: World) -> None:
    """Columns are read a few at a time; the rule is on one that is in another part than the others."""
    world.profiles(("a", 1, "gold", "5.00"), ("a", 2, "bad", "-1.00"))
    rules = (rule.range("limit", 0, policy="reject"),)
    source = msgspec.structs.replace(PROFILE.source, rules=rules)
    view = StoredView(msgspec.structs.replace(PROFILE, source=source), "profile@1")
    table = named_training_set(
        labels(("a", 3, 1.0)), Definitions([view]), ["profile"], world.sources("training-set"), at="time"
    )
    assert table.select(["profile.segment", "profile.limit"]).to_pylist() == [
        {"profile.segment": "gold", "profile.limit": Number("5.00")}
    ]
