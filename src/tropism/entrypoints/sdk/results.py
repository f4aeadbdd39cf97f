"""What the client's calls return."""

from __future__ import annotations

from typing import Any, Self

import msgspec


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One prediction.

    `prediction`: true or false for binary tasks, the class for multiclass ones, a number for regression.
    `probabilities`: of `"false"` and `"true"`, or of each class; None for regression. `degraded`: why something
    less than the champion answered; empty when all was well. `warnings`: what was odd about the features.
    `recorded`: false if the task's journal policy left it out. `cached`: the scores were kept from an equal row.
    """

    prediction_id: str
    prediction: bool | str | float
    model: str
    version: int
    variant: str
    probabilities: dict[str, float] | None = None
    degraded: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    recorded: bool = True
    cached: bool = False


class Predictions(msgspec.Struct, frozen=True):
    """Reply to a request of many rows."""

    predictions: tuple[Prediction, ...]


class Accepted(msgspec.Struct, frozen=True):
    """Outcomes that were recorded, and the id of each in the order they were sent."""

    accepted: int
    outcome_ids: tuple[str, ...]


class RejectedEvent(msgspec.Struct, frozen=True):
    """An event that a rule of its stream kept out. `index`: among those pushed; `rule`: the first that did; `value`:
    what it has."""

    index: int
    rule: str
    value: str

    def moved(self, by: int) -> Self:
        """The same, where it stands `by` places later."""
        return type(self)(self.index + by, self.rule, self.value)


class Pushed(msgspec.Struct, frozen=True):
    """How many events were recorded, and those that were not."""

    accepted: int
    rejected: tuple[RejectedEvent, ...] = ()


class EntityFeatures(msgspec.Struct, frozen=True):
    """Features of one row.

    `values`: by name; decimals and times as text. `statuses`: of each view, `PRESENT`, `MISSING` or `EXPIRED`.
    `known`: how far each view had come, ISO 8601, by its stored name, such as `spend@1`; None where it is empty yet.
    """

    values: dict[str, Any]
    statuses: dict[str, str] = {}
    known: dict[str, str | None] = {}


class Computed(msgspec.Struct, frozen=True):
    """Reply to a request for features."""

    rows: tuple[EntityFeatures, ...]
