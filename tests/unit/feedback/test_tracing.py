from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tropism.core.clock import DAY
from tropism.core.errors import InvalidInput, NotFound
from tropism.core.identity import Identifiers, task_tag
from tropism.feedback.schemas import PREDICTIONS
from tropism.feedback.tracing import Traced, made_by_day, trace
from tropism.storage.lake import Lake

IDS = Identifiers()
START = 19_844 * DAY  # 2024-05-01


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def write(lake: Lake, *rows: dict[str, Any], task: str = "fraud") -> None:
    full = [
        dict.fromkeys(PREDICTIONS.names) | {"writer": "w0", "seq": number, "variant": "champion", "version": 1} | row
        for number, row in enumerate(rows, 1)
    ]
    lake.append(f"{task}/predictions", pa.Table.from_pylist(full, PREDICTIONS))


def test_a_prediction_is_found_among_many_by_its_id_alone(lake: Lake) -> None:
    ids = [IDS.new(START + number, task_tag("fraud")) for number in range(500)]
    for begin in range(0, 500, 100):
        write(lake, *({"id": ids[number], "at": START + number} for number in range(begin, begin + 100)))
    wanted = IDS.new(START, task_tag("fraud"))
    write(lake, {"id": wanted, "at": 7, "version": 3, "variant": "pinned"})
    assert trace(lake, ["other", "fraud"], wanted) == Traced(id=wanted, task="fraud", at=7, version=3, variant="pinned")


def test_recorded_twice_it_is_the_one_recorded_first(lake: Lake) -> None:
    made = IDS.new(START, task_tag("fraud"))
    write(lake, {"id": made, "at": START, "version": 2, "seq": 9}, {"id": made, "at": START, "version": 1, "seq": 4})
    assert trace(lake, ["fraud"], made).version == 1


@pytest.mark.parametrize("text", ["", "42", "x" * 500, "01890A5D-AC96-774B-BCCE-B302099A8057"])
def test_what_is_no_id_is_refused(lake: Lake, text: str) -> None:
    with pytest.raises(InvalidInput, match="prediction_id of a reply"):
        trace(lake, ["fraud"], text)


def test_a_prediction_that_is_not_there_says_why_it_may_not_be(lake: Lake) -> None:
    with pytest.raises(NotFound, match="'fraud' has only just made it"):
        trace(lake, ["fraud"], IDS.new(START, task_tag("fraud")))
    with pytest.raises(NotFound, match="no task here has the tag"):
        trace(lake, ["fraud"], IDS.new(START, task_tag("other")))


def test_predictions_are_counted_by_version_and_utc_day(lake: Lake) -> None:
    moments = [START, START + DAY - 1, START + DAY, START + DAY]
    rows = [
        {"id": IDS.new(at), "at": at, "version": version} for at, version in zip(moments, (1, 1, 1, 2), strict=True)
    ]
    write(lake, *rows, {"id": IDS.new(START), "at": START, "version": 0})
    assert made_by_day(lake, "fraud", [1, 2, 3]) == {
        1: {"2024-05-01": 2, "2024-05-02": 1},
        2: {"2024-05-02": 1},
    }


def test_a_task_without_predictions_has_no_days(lake: Lake) -> None:
    assert made_by_day(lake, "fraud", [1]) == {}
