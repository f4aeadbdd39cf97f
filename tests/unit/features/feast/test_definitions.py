from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.features.feast.recorded import REPOSITORY

from tropism.core.clock import SECOND
from tropism.features import DeltaSource, Entity, FeatureView, Field, ParquetSource, Vector
from tropism.features.feast import Converted, Declared, FeastRepository, definitions
from tropism.features.feast.repository import FeastEntity, FeastField, FeastSource, FeastView

DAY = 86_400 * SECOND
FILES = FeastSource("FileSource", path="rows.parquet", timestamp="at")


def recorded() -> FeastRepository:
    return msgspec.json.decode(REPOSITORY, type=FeastRepository)


def view(name: str = "profile", source: FeastSource | None = FILES, **other: Any) -> FeastView:
    fields = (FeastField("limit", "Float64"),)
    made = FeastView(name, entities=("account",), source=source, fields=fields)
    return msgspec.structs.replace(made, **other)


def of(*views: FeastView, key: str = "INT64") -> Converted:
    return definitions(FeastRepository("0.67.0", "shop", entities=(FeastEntity("account", "id", key),), views=views))


def test_a_view_means_the_same_here() -> None:
    profile = {one.name: one for one in definitions(recorded()).views}["profile"]
    assert profile == FeatureView(
        "profile",
        entity=Entity("account", key="account_id", description="who pays"),
        source=ParquetSource(path="data/profiles.parquet", timestamp="updated_at", created="written_at"),
        fields=[  # type: ignore[arg-type]
            Field("segment", "text", description="as marketing has it"),
            Field("limit", "number"),
            Field("score", "number"),
            Field("visits", "integer"),
            Field("age", "integer"),
            Field("gold", "boolean"),
            Field("since", "time"),
        ],
        ttl="30d",
        known="event",
        owner="risk@example.com",
        description="what we know of an account",
        tags={"team": "risk"},
    )


def test_several_entities_become_one_with_a_key_of_several_columns() -> None:
    pairs = {one.name: one for one in definitions(recorded()).views}["pair_view"]
    assert pairs.entity == Entity("account_merchant", key=("account_id", "merchant_id"))
    assert (pairs.fields, pairs.ttl) == ((Field("orders", "integer", column="n"),), "36h")


def test_all_that_is_left_out_is_said_with_its_reason() -> None:
    left = {one.what: one.reason for one in definitions(recorded()).left_out}
    assert set(left) == {
        "live (pushed)", "odd", "profile:taste", "profile:photo", "whole", "on-demand view amount_ratio",
        "feature service serving_1",
    }  # fmt: skip
    assert "PushSource" in left["live (pushed)"]
    assert "Map" in left["odd"]
    assert "Vector(n)" in left["profile:taste"]
    assert "Bytes" in left["profile:photo"]
    assert "no entity" in left["whole"]
    assert "on_demand(" in left["on-demand view amount_ratio"]
    assert {one.what for one in definitions(recorded()).changed} == {"account_merchant", "Pair_View", "profile"}


def test_what_the_server_calls_features_is_told() -> None:
    served = definitions(recorded()).served
    assert served["Pair_View:orders"] == Declared("pair_view.orders", "integer", DAY * 3 // 2)
    assert served["live:limit"] == Declared("live.limit", "number", None)
    assert "profile:photo" not in served and "odd:extra" not in served


def test_files_are_named_from_the_projects_folder(tmp_path: Path) -> None:
    repository = msgspec.structs.replace(recorded(), folder=str(tmp_path / "feast"))
    assert _paths(definitions(repository, tmp_path / "project"))["profile"] == "../feast/data/profiles.parquet"
    assert _paths(definitions(repository, tmp_path / "feast"))["profile"] == "data/profiles.parquet"
    absolute = msgspec.structs.replace(FILES, path="/data/rows.parquet")
    assert _paths(of(view(source=absolute))) == {"profile": "/data/rows.parquet"}
    url = msgspec.structs.replace(FILES, path="file:///data/rows.parquet")
    assert _paths(of(view(source=url))) == {"profile": "/data/rows.parquet"}


def _paths(converted: Converted) -> dict[str, str]:
    return {one.name: one.source.path for one in converted.views if isinstance(one.source, ParquetSource)}


def test_delta_tables_stay_delta_tables() -> None:
    source = FeastSource("FileSource", path="s3://bucket/rows", format="DeltaFormat", timestamp="at")
    assert of(view(source=source)).views[0].source == DeltaSource(path="s3://bucket/rows", timestamp="at")


def test_a_vector_whose_length_is_known_is_taken_over() -> None:
    fields = (FeastField("taste", "Array(Float32)", length=3),)
    (taken,) = of(view(fields=fields)).views
    assert taken.fields == (Field("taste", Vector(3)),)


def test_times_that_feast_renames_are_read_under_their_own_names() -> None:
    source = FeastSource("FileSource", path="rows.parquet", timestamp="moment", mapping={"at": "moment"})
    assert of(view(source=source)).views[0].source.timestamp == "at"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (view(code=True), "code"),
        (view(enabled=False), "switched off"),
        (view(entities=("nobody",)), "nobody"),
        (view(key_types={"id": "Float64"}, entities=("loose",)), "loose"),
        (view(source=FeastSource("SnowflakeSource", query='"SHOP"."ROWS"', timestamp="at")), '"SHOP"."ROWS"'),
        (view(source=FeastSource("FileSource", path="s3://bucket/rows.parquet", timestamp="at")), "s3://bucket"),
        (view(source=FeastSource("FileSource", path="rows.parquet")), "timestamp_field"),
        (
            view(source=FeastSource("FileSource", path="r.parquet", timestamp="at", mapping={"no": "id"})),
            "field_mapping",
        ),
        (view(fields=()), "feast apply"),
        (view(source=None), "no source"),
    ],
)
def test_a_view_without_a_counterpart_is_left_out(given: FeastView, reason: str) -> None:
    converted = of(given)
    assert not converted.views
    assert not converted.served
    (left,) = converted.left_out
    assert left.what == "profile"
    assert reason in left.reason


def test_keys_that_are_not_text_or_whole_numbers_are_refused() -> None:
    converted = of(view(), key="DOUBLE")
    assert not converted.views
    assert [one.what for one in converted.left_out] == ["account", "profile"]
    inferred = of(view(key_types={"id": "Float64"}), key="UNKNOWN")
    assert [one.what for one in inferred.left_out] == ["profile"]


def test_two_names_that_are_one_here_are_not_mixed_up() -> None:
    converted = of(view("Profile", fields=(FeastField("A", "Int64"), FeastField("a", "String"))), view("profile"))
    assert [one.name for one in converted.views] == ["profile"]
    assert converted.views[0].fields == (Field("a", "integer", column="A"),)
    assert [one.what for one in converted.left_out] == ["Profile:a", "profile"]


def test_a_view_that_is_left_out_leaves_no_entity_of_its_own() -> None:
    repository = recorded()
    pairs = next(one for one in repository.views if one.name == "Pair_View")
    broken = msgspec.structs.replace(repository, views=(msgspec.structs.replace(pairs, fields=()),))
    assert [one.name for one in definitions(broken).entities] == ["account", "merchant"]
