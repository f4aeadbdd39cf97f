"""Experiments on live traffic: which variant answers which row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tropism.experiments.assigning import Assigner
from tropism.serving.snapshot import UNAVAILABLE, Seat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.registry.experiments import Trial
    from tropism.serving.requests import Ask
    from tropism.serving.snapshot import ServedModel, Splitting


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """An experiment at one step of its ramp. `models`: of the treatments that could be loaded, by variant. `seats`:
    what answers the units of each variant.

    A variant is recorded as `experiment/variant`.
    """

    trial: Trial
    assigner: Assigner
    models: Mapping[str, ServedModel]
    seats: Mapping[str, Seat]

    @classmethod
    def of(cls, trial: Trial, models: Mapping[str, ServedModel]) -> RunningTrial:
        """Ready to assign."""
        control, seats = trial.spec.control.name, {}
        for variant in (one.name for one in trial.spec.variants):
            missing = variant not in models and variant != control
            told = f"{trial.name}/{variant}"
            seats[variant] = Seat(told, models.get(variant), (UNAVAILABLE,) if missing else ())
        return cls(trial, Assigner(trial.spec, trial.share), models, seats)

    def seat(self, ask: Ask) -> Seat | None:
        """Of a row whose unit takes part; None where it does not, or where the row names no unit."""
        unit = ask.entity if self.trial.spec.unit == "entity" else ask.unit
        if not unit:
            return None
        variant = self.assigner.assign(unit, ask.row).variant
        return None if variant is None else self.seats[variant]


class Seated(NamedTuple):
    """`places`: of rows, by what answers them. `propensities`: of each row, None where no bandit chose."""

    places: dict[Seat | None, list[int]]
    propensities: list[float | None]


def seat_of(trials: Sequence[Splitting], ask: Ask) -> Seat | None:
    """What answers a row; None for the champion, as it takes part in none."""
    return next((seat for trial in trials if (seat := trial.seat(ask)) is not None), None)


def seated(trials: Sequence[Splitting], asks: Sequence[Ask]) -> Seated:
    """Who answers which row. A unit takes part in one experiment at most, as none share units."""
    places: dict[Seat | None, list[int]] = {}
    propensities: list[float | None] = []
    for place, ask in enumerate(asks):
        found = seat_of(trials, ask)
        propensities.append(None if found is None else found.propensity)
        alike = found if found is None or found.propensity is None else found._replace(propensity=None)
        places.setdefault(alike, []).append(place)
    return Seated(places, propensities)
