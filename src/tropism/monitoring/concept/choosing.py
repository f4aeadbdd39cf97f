"""A detector by its name, and what it says of losses that are already there."""

from __future__ import annotations

from collections.abc import Iterable

from tropism.core.errors import Fault, SettingInvalid
from tropism.core.faults import one_of, shown
from tropism.monitoring.concept.base import ConceptDetector
from tropism.monitoring.concept.detectors import (
    ADWIN,
    DDM,
    EDDM,
    HDDMA,
    HDDMW,
    KSWIN,
    PageHinkley,
    Parameter,
    RiverDetector,
)

_KINDS: dict[str, type[RiverDetector]] = {
    "adwin": ADWIN,
    "ddm": DDM,
    "eddm": EDDM,
    "hddm-a": HDDMA,
    "hddm-w": HDDMW,
    "kswin": KSWIN,
    "page-hinkley": PageHinkley,
}
NAMES = tuple(_KINDS)
"""What `fresh` knows."""


def fresh(name: str, **parameters: Parameter) -> ConceptDetector:
    """A detector that has read nothing yet.

    Args:
        name: one of `NAMES`.
        parameters: river's own, by river's names; those left out keep river's defaults.

    Raises:
        SettingInvalid: there is no such detector, or it takes no such parameter or value.
        MissingExtra: river is not installed.

    >>> detector = fresh("ddm", drift_threshold=4.0)
    >>> any(detector.update(0.0) for _ in range(1_000))
    False
    """
    kind = _KINDS.get(name)
    if kind is None:
        fix = one_of(name, NAMES, "detectors", "leave it out")
        raise SettingInvalid(f"there is no detector '{name}'", Fault("detector", shown(name), fix))
    return kind(**parameters)


def alarms(detector: ConceptDetector, losses: Iterable[float]) -> list[int]:
    """Feeds losses in order; the places, from 0, of those that raised an alarm.

    >>> alarms(fresh("page-hinkley"), [0.0] * 500 + [1.0] * 500)
    [553]
    """
    return [place for place, loss in enumerate(losses) if detector.update(loss)]
