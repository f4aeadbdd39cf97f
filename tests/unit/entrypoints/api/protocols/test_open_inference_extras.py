from __future__ import annotations

from typing import Any

import pytest

from tropism.core.clock import SECOND
from tropism.core.errors import InvalidInput
from tropism.core.faults import Faults
from tropism.core.identity import Identifiers, task_tag
from tropism.entrypoints.api.protocols.open_inference_extras import EXTRAS, beside
from tropism.entrypoints.api.protocols.tensors import Tensor
from tropism.serving.requests import Ask

NOW = 1_700_000_000 * SECOND
TAG = task_tag("price")
OWN = [Identifiers().new(NOW, TAG) for _ in range(2)]
ROWS = [Ask({"demand": 1.0}, ()), Ask({"demand": 2.0}, ())]


def read(**values: list[Any]) -> list[Ask]:
    faults = Faults()
    extras = {name: Tensor(name, "BYTES", (2,), data) for name, data in values.items()}
    found = beside(ROWS, extras, TAG, NOW, 60 * SECOND, faults)
    faults.check()
    return found


def test_they_go_with_their_rows() -> None:
    first, second = read(
        entity=["card-1", "card-2"], unit=["ann", ""], at=["2023-11-14T00:00:00Z", NOW - 1], prediction_id=OWN
    )
    assert (first.entity, first.unit, first.at, first.prediction_id) == (
        "card-1",
        "ann",
        1_699_920_000 * SECOND,
        OWN[0],
    )
    assert (second.entity, second.unit, second.at, second.prediction_id) == ("card-2", None, NOW - 1, OWN[1])
    assert [one.row for one in (first, second)] == [{"demand": 1.0}, {"demand": 2.0}]


def test_a_time_of_zero_is_the_epoch_and_not_left_out() -> None:
    assert [ask.at for ask in read(at=[0, ""])] == [0, None]


@pytest.mark.parametrize(
    ("name", "values", "field"),
    [
        ("entity", ["x", "y" * 300], "row 1: entity"),
        ("entity", [1, "x"], "row 0: entity"),
        ("at", [NOW, NOW + 61 * SECOND], "row 1: at"),
        ("at", ["yesterday", ""], "row 0: at"),
        ("prediction_id", [OWN[0], OWN[0]], "row 1: prediction_id"),
        ("prediction_id", ["", Identifiers().new(NOW, task_tag("other"))], "row 1: prediction_id"),
        ("prediction_id", ["", "no id"], "row 1: prediction_id"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_row(name: str, values: list[Any], field: str) -> None:
    assert name in EXTRAS
    with pytest.raises(InvalidInput) as caught:
        read(**{name: values})
    assert [fault.field for fault in caught.value.faults] == [field]
