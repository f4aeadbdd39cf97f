"""Tables and records that were written before figures, propensities and mirrored rows were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
from tests.unit.feedback.conftest import START, MemoryRecord

from tropism.core.events import Outcome, Prediction, decode
from tropism.feedback.batches import outcomes_table, predictions_table, service_table
from tropism.feedback.schemas import SERVICE_NAME, outcomes_name, predictions_name
from tropism.feedback.sorting import RecordSorter

if TYPE_CHECKING:
    from tests.unit.feedback.conftest import World

DAY = 86_400
PREDICTIONS = {
    "type": "predictions", "task": "price", "at": START, "version": 3, "names": ["demand", "period", "holiday"],
    "ids": ["p1", "p2"], "rows": [[1.0, "am", False], [2.0, "pm", True]], "scores": [[0.5], [0.25]],
}  # fmt: skip
OUTCOME = {"type": "outcome", "id": "before", "task": "price", "value": 1.0, "at": START, "received": START + 1}
MEASURED = {"type": "measured", "process": "a", "start": START, "end": START + 1, "models": [{"task": "price"}]}


def old_records() -> list[bytes]:
    told = [PREDICTIONS, {**OUTCOME, "prediction_id": "p1"}, MEASURED]
    return [msgspec.msgpack.encode(one) for one in told]


def test_records_of_before_are_read() -> None:
    made, told, _ = (decode(one) for one in old_records())
    assert [type(one) for one in (*made, *told)] == [Prediction, Prediction, Outcome]
    assert [one.propensity for one in made if isinstance(one, Prediction)] == [None, None]
    assert [(one.value, one.values) for one in told if isinstance(one, Outcome)] == [(1.0, {})]


def test_tables_of_before_take_new_rows_and_are_read_as_one(world: World) -> None:
    sorter = RecordSorter(world.find)
    sorter.sort([MemoryRecord("old", seq, one) for seq, one in enumerate(old_records(), start=1)])
    old = {
        predictions_name("price"): (predictions_table(sorter.predictions["price"]), "propensity"),
        outcomes_name("price"): (outcomes_table(sorter.outcomes["price"]), "values"),
        SERVICE_NAME: (service_table(sorter.measured), "mirrored"),
    }
    for name, (table, column) in old.items():
        world.lake.append(name, table.drop_columns([column]))
    world.predict("p3", 5, propensity=0.25, variant="trial/new")
    world.answer("p3", None, 10, values={"revenue": 7.0})
    world.ingest()
    found = world.cohorts.matured(
        world.task, now=world.after(3 * DAY), columns=("id", "propensity", "label"), told=["revenue"]
    ).table
    assert found["id"].to_pylist() == ["p1", "p2", "p3"]
    assert found["propensity"].to_pylist() == [None, None, 0.25]
    assert found["v_revenue"].to_pylist() == [None, None, 7.0]
    labelled = world.cohorts.matured(world.task, now=world.after(3 * DAY)).table
    assert labelled["id"].to_pylist() == ["p1"], "figures alone are no label"
    measured = world.cohorts.measured(START, START + DAY * 1_000_000, ("at", "mirrored"))
    assert measured["mirrored"].type == pa.string() and measured["mirrored"].null_count == 2
