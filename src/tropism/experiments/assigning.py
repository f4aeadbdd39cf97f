"""Which variant a unit gets: a pure function of the experiment, its share now, and the unit, the same on every machine.

A unit stands at one of 10,000 places, drawn from the seed and its id as GrowthBook's SDKs draw it (hash version 2), so
that shares are exact to a ten-thousandth. The last places are the holdout. Before them, a canary's treatment has the
first ones, as many as the ramp says, and the control the others; an A/B test's variants have ranges by weight, in use
from their beginning as far as the ramp has come. So a larger share takes in more units and moves none out of a
treatment, nor from one treatment to another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from tropism.core.errors import Fault, InvalidInput
from tropism.core.experiment import NAMESPACE_PLACES, SPLIT, Experiment
from tropism.experiments.growthbook import Range, fnv1a, get_bucket_ranges, in_range
from tropism.experiments.places import PLACES, Places, fnv1a_many
from tropism.experiments.targeting import targeting

Why = Literal["experiment", "holdout", "namespace", "targeting", "ramp"]
Attributes = Mapping[str, object]
_NOTHING: Attributes = {}


class Assigned(NamedTuple):
    """A unit's variant; None where it takes no part, and is answered by the champion: `why` says what decided."""

    variant: str | None
    why: Why


_OUTSIDE = (Assigned(None, "ramp"), Assigned(None, "holdout"))
_OUTSIDE_NAMESPACE = Assigned(None, "namespace")
_OUTSIDE_TARGETING = Assigned(None, "targeting")


class Assigner:
    """Assigns units to the variants of one experiment.

    Args:
        share: how far the ramp has come, one of the experiment's `steps`; 0 gives a treatment to nobody, and an
            experiment without a ramp is at 1.

    Raises:
        InvalidInput: the share is not within 0 to 1.

    >>> from tropism.core.experiment import Variant
    >>> canary = Experiment(name="deeper", task="fraud", mode="canary",
    ...                     variants=(Variant(name="now"), Variant(name="new", version=7)))
    >>> Assigner(canary, 0.05).assign("user-8"), Assigner(canary, 1.0).assign("user-8")
    (Assigned(variant='now', why='experiment'), Assigned(variant='new', why='experiment'))
    """

    __slots__ = ("_experiment", "_found", "_in_namespace", "_place", "_places", "_selective", "_targets")

    def __init__(self, experiment: Experiment, share: float) -> None:
        if not 0 <= share <= 1:
            raise InvalidInput("this is no share", Fault("share", str(share), "use a step of the ramp, from 0 to 1"))
        space = experiment.namespace
        self._experiment = experiment
        self._places = Places(experiment.placed_by)
        self._place = self._places.of
        self._found = _by_place(experiment, share)
        self._targets = targeting(experiment.targeting) if experiment.targeting.strip() else None
        self._in_namespace = None if space is None else _inside(space.start, space.end)
        self._selective = space is not None or self._targets is not None

    def assign(self, unit: str | None, attributes: Attributes = _NOTHING) -> Assigned:
        """The variant of a unit; `attributes`: what targeting may ask for.

        Raises:
            InvalidInput: there is no unit.
        """
        if not unit:
            raise self._missing()
        if self._selective:
            if self._in_namespace is not None and not self._in_namespace[self._namespace_place(unit)]:
                return _OUTSIDE_NAMESPACE
            if self._targets is not None and not self._targets(attributes):
                return _OUTSIDE_TARGETING
        return self._found[self._place(unit)]

    def assign_many(self, units: Sequence[str], attributes: Sequence[Attributes] | None = None) -> list[Assigned]:
        """The variants of as many units, each as `assign` gives it.

        Raises:
            InvalidInput: a unit is missing, or there are not as many attributes.
        """
        if not all(units):
            raise self._missing()
        if attributes is not None and len(attributes) != len(units):
            fix = f"give those of each of the {len(units)} units"
            raise InvalidInput("units and attributes differ", Fault("attributes", str(len(attributes)), fix))
        found = list(map(self._found.__getitem__, self._places.of_many(units).tolist()))
        if self._targets is not None:
            each = attributes if attributes is not None else [_NOTHING] * len(units)
            found = [
                one if self._targets(known) else _OUTSIDE_TARGETING for one, known in zip(found, each, strict=True)
            ]
        if self._in_namespace is not None:
            places = fnv1a_many(units, after=self._namespace_suffix) % NAMESPACE_PLACES
            inside = np.array(self._in_namespace)[places].tolist()
            found = [one if is_in else _OUTSIDE_NAMESPACE for one, is_in in zip(found, inside, strict=True)]
        return found

    @property
    def _namespace_suffix(self) -> str:
        space = self._experiment.namespace
        return "" if space is None else f"__{space.name}"

    def _namespace_place(self, unit: str) -> int:
        return fnv1a(unit + self._namespace_suffix) % NAMESPACE_PLACES

    def _missing(self) -> InvalidInput:
        field = self._experiment.unit
        fix = f"send the {field} that experiment '{self._experiment.name}' tells its units apart by"
        return InvalidInput("an experiment needs to know whom a prediction is for", Fault(field, "", fix))


def _by_place(experiment: Experiment, share: float) -> list[Assigned]:
    """What each of the places gets."""
    kept = 1 - experiment.holdout
    places = np.arange(PLACES) / PLACES
    told = [*(Assigned(variant.name, "experiment") for variant in experiment.variants), *_OUTSIDE]
    found = np.where(places < kept, len(told) - 2, len(told) - 1)
    for number, (start, end) in reversed(list(enumerate(_ranges(experiment, share, kept)))):  # the first one counts
        found[(places >= start) & (places < end)] = number
    return [told[number] for number in found.tolist()]


def _ranges(experiment: Experiment, share: float, kept: float) -> list[Range]:
    """The range of each variant."""
    if experiment.mode in SPLIT:
        weights = [variant.weight for variant in experiment.variants]
        return [(start * kept, end * kept) for start, end in get_bucket_ranges(len(weights), share, weights)]
    if experiment.mode == "canary":
        return [(share * kept, kept), (0.0, share * kept)]
    return [(0.0, kept)]


def _inside(start: float, end: float) -> list[bool]:
    return [in_range(place / NAMESPACE_PLACES, (start, end)) for place in range(NAMESPACE_PLACES)]
