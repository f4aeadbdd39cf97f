"""What the learners of ensembles share: members by name, judged out of sample, then fitted on all rows."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from tropism.learners.base import Learner, Shape
from tropism.learners.ensemble import Combination, Ensemble
from tropism.learners.ensemble_combining import Average
from tropism.learners.ensemble_recipes import check_recipe, fit_member, read_recipes

if TYPE_CHECKING:
    from tropism.core.task import Kind, Task
    from tropism.learners.base import Encoded, Estimator

MEMBERS = "lightgbm,linear"
FOLDS = 3
MOST_FOLDS = 20


class Plan(NamedTuple):
    """Which recipes become members, by number, and how their answers become one."""

    members: tuple[int, ...]
    combination: Combination


def equal_parts(members: int) -> Plan:
    """All members count alike."""
    return Plan(tuple(range(members)), Average((1 / members,) * members))


class EnsembleLearner(Learner):
    """Fits members and what makes one answer of theirs. Every member has the ensemble's seed."""

    kinds: ClassVar[frozenset[Kind]] = frozenset({"binary", "multiclass", "regression"})

    def __init__(self, members: str) -> None:
        """Raises `SettingInvalid` for members that cannot be read; an ensemble is never a member."""
        self.members, self._recipes = members, read_recipes(members)

    def _fit(self, data: Encoded, task: Task, seed: int) -> Estimator:
        for recipe in self._recipes:
            check_recipe(recipe, task)
        plan = self._plan(data, task, seed)
        members = [fit_member(self._recipes[number], data, task, seed) for number in plan.members]
        return Ensemble.of(members, plan.combination, Shape.of(task, data.matrix.shape[1]))

    @abstractmethod
    def _plan(self, data: Encoded, task: Task, seed: int) -> Plan: ...
