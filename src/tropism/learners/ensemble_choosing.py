"""Ensembles in which one member answers, chosen by a feature of the row: "if volatility > 1.3, the forest"."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from tropism.learners.encoding import MOST_CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.learners.base import Floats, Shape, Times
    from tropism.learners.ensemble_parts import Member

MOST_CUTS = 1_000


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule on one column of codes. `choices`: numbers of members; `otherwise`: who answers where none applies."""

    column: int
    choices: tuple[int, ...]
    otherwise: int

    def chosen(self, values: Floats) -> npt.NDArray[np.intp]:
        """The member (n,) for each value (n,) of the column."""
        raise NotImplementedError

    def chosen_one(self, value: float) -> int:
        raise NotImplementedError

    def predict(self, members: Sequence[Member], codes: Floats, at: Times | None, shape: Shape) -> Floats:
        out = np.empty((len(codes), shape.outputs))
        chosen = self.chosen(codes[:, self.column])
        for number in np.unique(chosen).tolist():
            rows = np.flatnonzero(chosen == number)
            out[rows] = members[number].predict(codes[rows], None if at is None else at[rows])
        return out

    def score(self, members: Sequence[Member], values: Sequence[float], shape: Shape) -> Floats:  # noqa: ARG002
        return members[self.chosen_one(values[self.column])].score(values)

    def contributions(self, members: Sequence[Member], codes: Floats, at: Times | None, shape: Shape) -> Floats:
        """Those of the member that answers. That it was chosen is no contribution."""
        out = np.empty((len(codes), shape.outputs, codes.shape[1] + 1))
        chosen = self.chosen(codes[:, self.column])
        for number in np.unique(chosen).tolist():
            rows = np.flatnonzero(chosen == number)
            out[rows] = members[number].contributions(codes[rows], None if at is None else at[rows])
        return out

    def shares(self, members: int) -> list[float]:
        """How many of the rule's cases are each member's, of all."""
        cases = np.bincount(np.array([*self.choices, self.otherwise]), minlength=members)
        shares: list[float] = (cases / cases.sum()).tolist()
        return shares

    def sound(self, members: int, shape: Shape) -> bool:
        known = range(members)
        column = 0 <= self.column < shape.width
        return column and self.otherwise in known and all(number in known for number in self.choices)


class ByRange(Choice, frozen=True, forbid_unknown_fields=True, tag="range"):
    """By a number: `choices[k]` answers above `cuts[k - 1]` and up to `cuts[k]`; `otherwise` where it is missing."""

    cuts: tuple[float, ...]

    def chosen(self, values: Floats) -> npt.NDArray[np.intp]:
        numbers = np.array(self.choices, np.intp)[np.searchsorted(self.cuts, values, side="left")]  # NaN is above all
        return np.where(np.isnan(values), self.otherwise, numbers)

    def chosen_one(self, value: float) -> int:
        return self.otherwise if value != value else self.choices[bisect_left(self.cuts, value)]

    def sound(self, members: int, shape: Shape) -> bool:
        rising = all(math.isfinite(cut) for cut in self.cuts) and all(a < b for a, b in pairwise(self.cuts))
        fits = len(self.choices) == len(self.cuts) + 1 <= MOST_CUTS
        return rising and fits and super().sound(members, shape)


class ByCode(Choice, frozen=True, forbid_unknown_fields=True, tag="code"):
    """By a category or a boolean: `choices[code]`; `otherwise` where it is missing or was never seen."""

    def chosen(self, values: Floats) -> npt.NDArray[np.intp]:
        known = (values >= 0) & (values < len(self.choices))  # NaN is neither
        numbers = np.array([*self.choices, self.otherwise], np.intp)
        return numbers[np.where(known, values, len(self.choices)).astype(np.intp)]

    def chosen_one(self, value: float) -> int:
        return self.choices[int(value)] if 0 <= value < len(self.choices) else self.otherwise

    def sound(self, members: int, shape: Shape) -> bool:
        return len(self.choices) <= MOST_CATEGORIES["codes"] and super().sound(members, shape)
