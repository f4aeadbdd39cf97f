"""Dynamic selection: which member answers depends on a feature of the row, as it paid out of sample.

After Woods, Kegelmeyer, Bowyer, Combination of Multiple Classifiers Using Local Accuracy Estimates, 1997, with
regions cut along one feature, so that the rule can be read.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tropism.core.errors import Fault, SettingInvalid
from tropism.learners.ensemble_choosing import ByCode, ByRange
from tropism.learners.ensemble_folds import HeldOut, out_of_sample
from tropism.learners.ensemble_learning import FOLDS, MEMBERS, MOST_FOLDS, EnsembleLearner, Plan
from tropism.learners.ensemble_losses import row_losses
from tropism.learners.validation import whole

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.learners.base import Encoded, Floats

LIKELY, CLEAR = 1.0, 2.0
"""Standard errors by which a member must be better where it is to answer, and a rule before its feature is chosen."""


class Selection(EnsembleLearner):
    """In each category, or range of a number, of the feature `by` the member answers that lost least there.

    Numbers are cut at quantiles into `bins` ranges. Where fewer than `min_rows` rows were held out, where no member
    was better by more than one standard error, and where the feature is missing or its category was never seen, the
    member answers that lost least over all; without enough rows to hold any out, the first.

    `by=""` looks for the feature itself: rules are learnt on the older half of the rows held out and judged on the
    newer half; one that is not clearly better than the best member alone is not used, and that member answers.
    """

    def __init__(
        self, *, members: str = MEMBERS, by: str = "", bins: int = 4, min_rows: int = 50, folds: int = FOLDS
    ) -> None:
        """Raises `SettingInvalid` for a value out of range."""
        super().__init__(members)
        if not isinstance(by, str):
            raise SettingInvalid(
                "a learner's parameter is not valid", Fault("by", repr(by), "use the name of a feature")
            )
        self.by = by
        self.bins = whole("bins", bins, 2, 100)
        self.min_rows = whole("min_rows", min_rows, 1, 1_000_000)
        self.folds = whole("folds", folds, 1, MOST_FOLDS)

    def _plan(self, data: Encoded, task: Task, seed: int) -> Plan:
        if self.by and self.by not in task.feature_names:
            fix = f"use one of: {', '.join(task.feature_names)}; or leave it out"
            raise SettingInvalid(f"'{task.name}' has no such feature", Fault("parameters.by", repr(self.by), fix))
        held = out_of_sample(self._recipes, data, task, self.folds, seed)
        if held is None:
            return _only_used(ByRange(0, (0,), 0, ()))
        judged = _judged(task, held)
        if self.by:
            return _only_used(self._rule(task, judged, task.feature_names.index(self.by)))
        return _only_used(self._search(task, judged))

    def _rule(self, task: Task, judged: _Judged, column: int) -> ByRange | ByCode:
        values, best = judged.codes[:, column], judged.best()
        if task.features[column].type == "number":
            known = values[~np.isnan(values)]
            parts = np.arange(1, self.bins) / self.bins
            # Numbers that occur, since the way between two huge ones may leave the range of floats.
            cuts = np.unique(np.quantile(known, parts, method="inverted_cdf")) if len(known) else known
            cuts = cuts[cuts < known.max(initial=-np.inf)]
            cases = np.where(np.isnan(values), -1, np.searchsorted(cuts, values, side="left"))
            choices = self._choices(judged, cases, len(cuts) + 1, best)
            return ByRange(column, choices, best, tuple(cuts.tolist()))
        cases = np.where(values >= 0, values, -1).astype(np.intp)  # NaN is not
        return ByCode(column, self._choices(judged, cases, int(cases.max(initial=-1)) + 1, best), best)

    def _choices(
        self, judged: _Judged, cases: np.ndarray[tuple[int], np.dtype[np.intp]], number: int, best: int
    ) -> tuple[int, ...]:
        """The member for each case, 0 to `number` - 1."""
        choices = []
        for case in range(number):
            here = judged.losses[cases == case]
            least = int(np.argmin(here.sum(axis=0)))
            enough = len(here) >= self.min_rows and _gain(here[:, best] - here[:, least]) > LIKELY
            choices.append(least if enough else best)
        return tuple(choices)

    def _search(self, task: Task, judged: _Judged) -> ByRange | ByCode:
        half = len(judged.weights) // 2
        older, newer = judged.take(slice(None, half)), judged.take(slice(half, None))
        found, most = None, CLEAR
        for column in range(len(task.features)) if half else ():
            rule = self._rule(task, older, column)
            gain = newer.gain(rule)
            if gain > most:
                found, most = column, gain
        return ByRange(0, (judged.best(),), judged.best(), ()) if found is None else self._rule(task, judged, found)


class _Judged(NamedTuple):
    """Rows held out, and each member's weighted loss (n, members) of them."""

    codes: Floats
    weights: Floats
    losses: Floats

    def take(self, rows: slice) -> _Judged:
        return _Judged(self.codes[rows], self.weights[rows], self.losses[rows])

    def best(self) -> int:
        """The member that lost least; the first of equals."""
        return int(np.argmin(self.losses.sum(axis=0)))

    def gain(self, rule: ByRange | ByCode) -> float:
        """By how many standard errors a rule loses less than the member that it falls back on."""
        chosen = rule.chosen(self.codes[:, rule.column])
        return _gain(self.losses[:, rule.otherwise] - self.losses[np.arange(len(chosen)), chosen])


def _gain(saved: Floats) -> float:
    """The sum of losses saved (n,), in standard errors; infinite where each saved the same."""
    largest = float(np.abs(saved).max(initial=0.0))
    if largest == 0.0:
        return 0.0
    saved = saved / largest  # so that squares of huge losses stay in range
    total, spread = float(saved.sum()), float(saved.std()) * len(saved) ** 0.5
    return total / spread if spread > 0 else math.copysign(math.inf, total)


def _judged(task: Task, held: HeldOut) -> _Judged:
    losses = [row_losses(task, held.labels, scores) * held.weights for scores in held.scores]
    return _Judged(held.codes, held.weights, np.stack(losses, axis=1))


def _only_used(rule: ByRange | ByCode) -> Plan:
    """The rule over the members that it names; others are not even fitted."""
    used = sorted({*rule.choices, rule.otherwise})
    places = {number: place for place, number in enumerate(used)}
    choices, otherwise = tuple(places[number] for number in rule.choices), places[rule.otherwise]
    if isinstance(rule, ByRange):
        return Plan(tuple(used), ByRange(rule.column, choices, otherwise, rule.cuts))
    return Plan(tuple(used), ByCode(rule.column, choices, otherwise))
