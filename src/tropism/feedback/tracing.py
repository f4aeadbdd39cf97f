"""Predictions as lineage sees them: who made one, and how many a version made each day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import from_datetime
from tropism.core.errors import Fault, InvalidInput, NotFound
from tropism.core.identity import is_id, tag_of, task_tag
from tropism.feedback.joining import distinct_predictions
from tropism.feedback.schemas import PREDICTIONS, predictions_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tropism.storage.lake import Lake


class Traced(msgspec.Struct, frozen=True, kw_only=True):
    """Who made a prediction. `version` is 0 where no model did: the baseline, or an import. `at` in µs."""

    id: str
    task: str
    at: int
    version: int
    variant: str


def trace(lake: Lake, tasks: Iterable[str], prediction: str) -> Traced:
    """Finds a prediction in the lake: its task by the tag in its id, its file by the time in it.

    Raises:
        InvalidInput: this is not the id of a prediction.
        NotFound: the lake has none with it.
    """
    if not is_id(prediction):
        fix = "send the prediction_id of a reply, such as 01890a5d-ac96-774b-bcce-b302099a8057"
        raise InvalidInput("this is not the id of a prediction", Fault("id", repr(prediction[:80]), fix))
    own = [task for task in tasks if task_tag(task) == tag_of(prediction)]
    columns = pa.schema([PREDICTIONS.field(name) for name in ("id", "at", "version", "variant", "writer", "seq")])
    for task in own:
        found = lake.read(predictions_name(task), schema=columns, ids=[prediction])
        if found.num_rows:
            (row,) = distinct_predictions(found).to_pylist()
            at = from_datetime(row["at"])
            return Traced(id=prediction, task=task, at=at, version=row["version"] or 0, variant=row["variant"] or "")
    fix = "look whether it is of this project: no task here has the tag in it"
    if own:
        fix = f"ask again in a moment if '{own[0]}' has only just made it; rows past their retention are gone"
    raise NotFound("the lake has no such prediction", Fault("id", prediction, fix))


def made_by_day(lake: Lake, task: str, versions: Iterable[int]) -> dict[int, dict[str, int]]:
    """How many predictions versions of a task's model made, by version and UTC day (`2024-05-01`), oldest first.

    Rows of the lake are counted: a prediction recorded twice under one id counts twice.
    """
    columns = pa.schema([PREDICTIONS.field(name) for name in ("at", "version")])
    wanted = pa.array(sorted(set(versions)), pa.int32())
    table = lake.read(predictions_name(task), schema=columns)
    table = table.filter(pc.is_in(table["version"], value_set=wanted))
    days = pa.table({"version": table["version"], "day": table["at"].cast(pa.date32())})
    counted = days.group_by(["version", "day"]).aggregate([([], "count_all")])
    found: dict[int, dict[str, int]] = {}
    for row in counted.sort_by([("version", "ascending"), ("day", "ascending")]).to_pylist():
        found.setdefault(row["version"], {})[row["day"].isoformat()] = row["count_all"]
    return found
