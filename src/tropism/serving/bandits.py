"""Bandits on live traffic: which variant answers which row, and with which probability it was chosen."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from tropism.core.errors import TropismError
from tropism.experiments.bandits.revisions import BanditAssigner, first_revision
from tropism.serving.snapshot import UNAVAILABLE, Seat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.core.bandit import Revision
    from tropism.registry.experiments import Trial
    from tropism.serving.requests import Ask
    from tropism.serving.snapshot import ServedModel

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunningBandit:
    """A bandit at one revision of its shares. `models`: of the treatments that could be loaded, by variant.

    `revision`: None while it goes by the weights that it was started with. A variant is recorded as
    `experiment/variant`, with its propensity.
    """

    trial: Trial
    assigner: BanditAssigner
    models: Mapping[str, ServedModel]
    revision: Revision | None

    @classmethod
    def of(cls, trial: Trial, models: Mapping[str, ServedModel], revision: Revision | None) -> RunningBandit:
        """Ready to choose. What was learned of contexts and cannot be read is logged, and left out."""
        used = revision or first_revision(trial.spec, trial.started_at or 0)
        try:
            assigner = BanditAssigner(trial.spec, used)
        except TropismError as error:
            _log.error("experiment '%s' goes by its mean shares: %s", trial.name, error, exc_info=True)
            assigner = BanditAssigner(trial.spec, msgspec.structs.replace(used, choosing=None))
        return cls(trial, assigner, models, revision)

    def seat(self, ask: Ask) -> Seat | None:
        """Of a row whose unit takes part; None where it does not, or where the row names no unit."""
        unit = ask.entity if self.trial.spec.unit == "entity" else ask.unit
        if not unit:
            return None
        drawn = self.assigner.assign(unit, ask.row)
        if drawn.variant is None:
            return None
        model = self.models.get(drawn.variant)
        missing = model is None and drawn.variant != self.trial.spec.control.name
        degraded = (UNAVAILABLE,) if missing else ()
        return Seat(f"{self.trial.name}/{drawn.variant}", model, degraded, drawn.propensity)
