"""What may stand beside the features in a request of the Open Inference Protocol: entity, unit, time, id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import InvalidInput
from tropism.core.identity import tag_of
from tropism.serving.fields import Fields
from tropism.serving.requests import Ask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.core.faults import Faults
    from tropism.entrypoints.api.protocols.tensors import Tensor

EXTRAS = ("entity", "unit", "at", "prediction_id")
"""Names of the tensors; each says what the field of that name says in our own protocol. A feature's name wins."""


def beside(
    asks: Sequence[Ask], extras: Mapping[str, Tensor], tag: int, now: int, tolerance: int, faults: Faults
) -> list[Ask]:
    """Rows with what stands beside them. `extras`: tensors with as many elements as there are rows.

    `tag`: the task's, which prediction ids must carry. `tolerance`: how far after `now` a time may be, in µs.
    What is wrong is added to `faults`.
    """
    found = []
    seen: set[str] = set()
    for index, ask in enumerate(asks):
        values = {name: tensor.values[index] for name, tensor in extras.items()}
        element = {name: None if value == "" else value for name, value in values.items()}
        fields = Fields(element, f"row {index}: ", faults, InvalidInput)
        made = fields.identifier("prediction_id", now, tolerance)
        if made is not None and tag_of(made) != tag:
            fields.refuse("prediction_id", "the prediction_id was made for another task", "leave it out")
        if made in seen:
            fields.refuse("prediction_id", "a prediction_id is repeated", "make one for each row")
        seen |= {made} if made is not None else set()
        at = fields.moment("at", now, tolerance)
        found.append(Ask(ask.row, ask.notes, fields.text("entity"), fields.text("unit"), at, made))
    return found
