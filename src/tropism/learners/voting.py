"""Voting: members that count alike, by their probabilities or by the class each finds most probable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import Fault, SettingInvalid
from tropism.learners.ensemble_combining import Votes
from tropism.learners.ensemble_learning import MEMBERS, EnsembleLearner, Plan, equal_parts

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.learners.base import Encoded


class Voting(EnsembleLearner):
    """`soft`: the mean of the members' scores. `hard`: the majority of their classes, or the median of their numbers.

    Hard votes answer "which class" well and "how likely" coarsely: use them where the metric is accuracy.
    """

    def __init__(self, *, members: str = MEMBERS, votes: str = "soft") -> None:
        """Raises `SettingInvalid` for a value out of range."""
        super().__init__(members)
        if votes not in ("soft", "hard"):
            raise SettingInvalid(
                "a learner's parameter is not valid", Fault("votes", repr(votes), "use 'soft' or 'hard'")
            )
        self.votes = votes

    def _plan(self, data: Encoded, task: Task, seed: int) -> Plan:  # noqa: ARG002 - nothing is learnt
        plan = equal_parts(len(self._recipes))
        return plan if self.votes == "soft" else plan._replace(combination=Votes())
