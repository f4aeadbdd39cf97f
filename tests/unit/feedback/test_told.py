"""Figures that outcomes carry beside their label, or instead of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.events import Outcome, encode
from tropism.feedback.schemas import OUTCOMES

if TYPE_CHECKING:
    from tests.unit.feedback.conftest import World

DAY = 86_400


def told(world: World, *names: str, days: int = 3) -> list[dict[str, Any]]:
    world.ingest()
    found = world.cohorts.matured(world.task, now=world.after(days * DAY), told=names)
    columns = ["id", "label", *(f"v_{name}" for name in names)]
    return [dict(row) for row in found.table.select(columns).to_pylist()]


def test_each_name_takes_its_last_figure_in_time(world: World) -> None:
    world.predict("p1")
    world.answer("p1", 1.0, 10, values={"revenue": 5.0, "clicks": 1.0})
    world.answer("p1", None, 20, values={"revenue": 7.0})
    world.answer("p1", None, DAY + 1, values={"revenue": 99.0})
    assert told(world, "revenue", "clicks") == [{"id": "p1", "label": 1.0, "v_revenue": 7.0, "v_clicks": 1.0}]


def test_an_outcome_without_a_label_changes_no_label_and_no_count(world: World) -> None:
    for key in ("p1", "p2"):
        world.predict(key)
    world.answer("p1", 1.0, 10)
    world.ingest()
    now = world.after(3 * DAY)
    before = world.cohorts.counts(world.task, now), world.cohorts.known(world.task, now=now).table
    world.answer("p1", None, 20, values={"revenue": 7.0})
    world.answer("p2", None, 20, values={"revenue": 3.0})
    world.ingest()
    assert world.cohorts.counts(world.task, now) == before[0]
    assert world.cohorts.known(world.task, now=now).table.equals(before[1])
    assert world.cohorts.matured(world.task, now=now).table["id"].to_pylist() == ["p1"]


def test_a_prediction_without_a_label_is_there_where_figures_are_asked_for(world: World) -> None:
    world.predict("p1")
    world.predict("p2")
    world.answer("p2", None, 20, values={"revenue": 3.0})
    first, second = told(world, "revenue")
    assert np.isnan(first["label"]) and first["v_revenue"] is None
    assert np.isnan(second["label"]) and second["v_revenue"] == 3.0


def test_an_entity_and_a_time_name_a_prediction_too(world: World) -> None:
    world.predict("p1", 0, entity="ann")
    world.predict("p2", 100, entity="ann")
    world.answer(None, None, 60, entity="ann", values={"revenue": 1.0})
    world.answer(None, None, 160, entity="ann", values={"revenue": 2.0})
    assert [row["v_revenue"] for row in told(world, "revenue")] == [1.0, 2.0]


def test_a_repeated_id_tells_nothing_new(world: World) -> None:
    world.predict("p1")
    world.answer("p1", None, 10, name="o", values={"revenue": 1.0})
    world.answer("p1", None, 20, name="o", values={"revenue": 2.0})
    assert told(world, "revenue")[0]["v_revenue"] == 1.0


def test_a_table_from_before_there_were_figures_reads_as_having_none(world: World) -> None:
    world.predict("p1")
    world.ingest()
    schema = pa.schema([field for field in OUTCOMES if field.name != "values"])
    moment = world.after(1)
    row = {"id": "o", "at": moment, "received": moment, "prediction_id": "p1", "value": 1.0, "writer": "w9", "seq": 1}
    world.lake.append("price/outcomes", pa.Table.from_pylist([row], schema=schema), positions={"w9": 1})
    assert told(world, "revenue") == [{"id": "p1", "label": 1.0, "v_revenue": None}]
    world.predict("p2", 5)
    world.answer("p2", None, 10, values={"revenue": 4.0})
    assert [row["v_revenue"] for row in told(world, "revenue")] == [None, 4.0]


@pytest.mark.parametrize(("value", "values"), [(None, {}), (None, {"revenue": float("inf")})])
def test_what_tells_nothing_usable_is_rejected(world: World, value: float | None, values: dict[str, float]) -> None:
    world.predict("p1")
    now = world.after(1)
    world.journal.append(
        encode(Outcome(id="o", task="price", value=value, at=now, received=now, prediction_id="p1", values=values))
    )
    assert world.ingest().rejected == 1
