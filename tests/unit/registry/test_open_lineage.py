from __future__ import annotations

import importlib
import uuid
from datetime import datetime
from typing import Any

import pytest

from tropism.registry import Link
from tropism.registry.lineage import Graph, Node
from tropism.registry.open_lineage import PRODUCER, run_events

FIELDS = [{"name": "amount", "type": "number"}]
_URI = {"type": "string", "format": "uri"}
_TEXT = {"type": "string", "minLength": 1}


def _facets(**known: Any) -> dict[str, Any]:
    """Facets by name: each says who made it and by which schema."""
    facet = {
        "type": "object",
        "required": ["_producer", "_schemaURL"],
        "properties": {"_producer": _URI, "_schemaURL": _URI},
    }
    named = {name: {"allOf": [facet, {"type": "object", **rules}]} for name, rules in known.items()}
    return {"type": "object", "additionalProperties": facet, "properties": named}


def _object(**properties: Any) -> dict[str, Any]:
    """An object with exactly these fields."""
    return {"type": "object", "required": [*properties], "properties": properties, "additionalProperties": False}


_NAMES = {"namespace": _TEXT, "name": _TEXT}
_FIELD = {"type": "object", "required": ["name"], "properties": {"name": _TEXT, "type": _TEXT}}
_DATASET_FACETS = _facets(
    schema={"properties": {"fields": {"type": "array", "items": _FIELD}}},
    version={"required": ["datasetVersion"], "properties": {"datasetVersion": _TEXT}},
)
_STATISTICS = {"required": ["rowCount"], "properties": {"rowCount": {"type": "integer"}}}
_OUTPUT = _object(**_NAMES, facets=_DATASET_FACETS) | {"required": ["namespace", "name"]}
_OUTPUT["properties"] = _OUTPUT["properties"] | {"outputFacets": _facets(outputStatistics=_STATISTICS)}
_JOB = _facets(jobType={"required": ["processingType", "integration"]})
RUN_EVENT = _object(
    eventType={"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
    eventTime={"type": "string", "format": "date-time", "pattern": "Z$"},
    run=_object(runId={"type": "string", "format": "uuid"}),
    job=_object(**_NAMES, facets=_JOB),
    inputs={"type": "array", "items": _object(**_NAMES, facets=_DATASET_FACETS)},
    outputs={"type": "array", "items": _OUTPUT},
    producer=_URI,
    schemaURL={"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
)
"""What spec 2-0-2 asks of a RunEvent and of the facets that are used here, and no field besides."""


def link(from_kind: str, from_id: str, to_kind: str, to_id: str, at: int = 1) -> Link:
    return Link(from_kind, from_id, to_kind, to_id, at)


CHAIN = Graph(
    "model",
    "fraud/3",
    (
        Node("source", "stream:payments", {"fields": FIELDS}),
        Node("view", "spend@2", {"fields": FIELDS}),
        Node("lake", "fraud/outcomes"),
        Node("training-set", "fraud/ab12", {"fields": FIELDS, "rows": 400}),
        Node("model", "fraud/3", {"fields": FIELDS}),
        Node("predictions", "fraud/3", {"total": 7, "days": {"2024-05-01": 7}}),
    ),
    (
        link("source", "stream:payments", "view", "spend@2", 1_000_000),
        link("training-set", "fraud/ab12", "model", "fraud/3", 3_000_000),
        link("lake", "fraud/outcomes", "training-set", "fraud/ab12", 2_000_000),
        link("view", "spend@2", "training-set", "fraud/ab12", 2_000_000),
        link("model", "fraud/3", "predictions", "fraud/3", 4_000_000),
    ),
)


def placed(datasets: list[dict[str, Any]]) -> list[str]:
    return [f"{one['namespace']} {one['name']}" for one in datasets]


def test_events_are_what_the_specification_asks_for() -> None:
    jsonschema = importlib.import_module("jsonschema")
    validator = jsonschema.Draft202012Validator(RUN_EVENT, format_checker=jsonschema.FormatChecker())
    events = run_events(CHAIN, "tropism://shop")
    assert len(events) == 4
    for event in events:
        validator.validate(event)
        uuid.UUID(event["run"]["runId"])
        datetime.fromisoformat(event["eventTime"])


def test_each_thing_that_was_made_is_a_run_with_its_inputs() -> None:
    view, training_set, model, predictions = run_events(CHAIN, "tropism://shop")
    names = [event["job"]["name"] for event in (view, training_set, model, predictions)]
    assert names == ["materialise/spend", "training-set/fraud", "training/fraud", "serving/fraud"]
    assert placed(view["inputs"]) == ["tropism://shop stream/payments"]
    assert placed(view["outputs"]) == placed(training_set["inputs"])[1:] == ["tropism://shop view/spend"]
    assert placed(training_set["inputs"])[0] == "tropism://shop lake/fraud/outcomes"
    assert placed(training_set["outputs"]) == placed(model["inputs"]) == ["tropism://shop training-set/fraud"]
    assert placed(model["outputs"]) == placed(predictions["inputs"]) == ["tropism://shop model/fraud"]
    assert placed(predictions["outputs"]) == ["tropism://shop lake/fraud/predictions"]
    assert [event["eventType"] for event in (view, model, predictions)] == ["COMPLETE", "COMPLETE", "RUNNING"]
    assert view["eventTime"] == "1970-01-01T00:00:01Z"
    assert view["producer"] == PRODUCER


def test_versions_fields_and_rows_are_facets() -> None:
    view, training_set, model, predictions = run_events(CHAIN, "n")
    (made,) = view["outputs"]
    assert made["facets"]["version"]["datasetVersion"] == "2"
    assert made["facets"]["schema"]["fields"] == FIELDS
    assert training_set["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 400
    assert model["outputs"][0]["facets"]["version"]["datasetVersion"] == "3"
    assert predictions["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 7
    assert model["job"]["facets"]["jobType"]["jobType"] == "TRAINING"
    assert training_set["inputs"][0]["facets"] == {}


def test_a_run_keeps_its_id_and_differs_from_all_others() -> None:
    first, again = (run_events(CHAIN, "tropism://shop") for _ in range(2))
    assert first == again
    elsewhere = run_events(CHAIN, "tropism://other")
    ids = [event["run"]["runId"] for event in (*first, *elsewhere)]
    assert len(set(ids)) == 8


def test_one_prediction_belongs_to_the_serving_of_its_model() -> None:
    made = link("model", "fraud/3", "prediction", "01890a5d-ac96-774b-bcce-b302099a8057", 9)
    alone = Graph("prediction", made.to_id, (Node("prediction", made.to_id), Node("model", "fraud/3")), (made,))
    (event,) = run_events(alone, "n")
    assert event["run"] == run_events(CHAIN, "n")[-1]["run"]
    assert placed(event["outputs"]) == ["n lake/fraud/predictions"]


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("parquet:profiles/*.parquet", "file /shop/profiles/*.parquet"),
        ("csv:/data/a.csv", "file /data/a.csv"),
        ("delta:s3://bucket/tables/a", "s3://bucket tables/a"),
        ("sql:postgresql+psycopg://ann:***@db:5432/shop public.accounts", "postgres://db:5432 shop.public.accounts"),
        ("sql:postgresql://db/shop?sslmode=require accounts", "postgres://db shop.accounts"),
        ("sql:sqlite:///shop.db SELECT a\nFROM b", "sqlite:// shop.db.SELECT a\nFROM b"),
        ("sql:$SHOP_URL accounts", "n sql/$SHOP_URL accounts"),
        ("stream:payments", "n stream/payments"),
        ("lake:fraud/outcomes", "n lake/fraud/outcomes"),
    ],
)
def test_sources_are_named_by_where_they_lie(source: str, place: str) -> None:
    edges = (link("source", source, "view", "a@1"),)
    (event,) = run_events(Graph("view", "a@1", (), edges), "n", "/shop")
    assert placed(event["inputs"]) == [place]


def test_what_was_made_of_another_comes_after_it_even_at_one_moment() -> None:
    edges = [
        link("training-set", "t/1", "model", "a/1"),
        link("model", "a/1", "model", "a/2"),
        link("view", "z@1", "training-set", "t/1"),
        link("source", "stream:s", "view", "z@1"),
        link("source", "stream:s", "view", "b@1"),
    ]
    for turned in (edges, edges[::-1]):
        events = run_events(Graph("model", "a/2", (), tuple(turned)), "n")
        told = [event["outputs"][0]["name"] for event in events]
        assert told.index("view/z") < told.index("training-set/t") < told.index("model/a")
        assert sorted(told) == ["model/a", "model/a", "training-set/t", "view/b", "view/z"]
        versions = [one["outputs"][0]["facets"]["version"]["datasetVersion"] for one in events]
        assert [number for name, number in zip(told, versions, strict=True) if name == "model/a"] == ["1", "2"]


def test_a_ring_of_links_ends() -> None:
    edges = (link("lake", "a", "lake", "b"), link("lake", "b", "lake", "a"))
    assert len(run_events(Graph("lake", "a", (), edges), "n")) == 2


def test_nothing_made_is_nothing_told() -> None:
    assert run_events(Graph("model", "a/1", (Node("model", "a/1"),), ()), "n") == ()
