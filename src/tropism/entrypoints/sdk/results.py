"""What the client's calls return."""

from __future__ import annotations

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
