"""What reading a flavour gives: an estimator of ours, and how features become its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from tropism.learners.base import Estimator, Floats
    from tropism.learners.encoding import Column


class Found(NamedTuple):
    """`columns`: how features become the estimator's matrix, in its order. `ranges` (2, width): lowest and highest
    value of each column in training, where the model tells; rows to verify it by are drawn from them. `checked`: the
    largest difference between the original's scores and the estimator's, and over how many rows; None where the
    estimator runs the very numbers of the original. `converted`: what is noted of the conversion, if there was one."""

    estimator: Estimator
    columns: tuple[Column, ...]
    ranges: Floats | None = None
    checked: tuple[float, int] | None = None
    converted: dict[str, Any] | None = None
