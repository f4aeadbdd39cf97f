"""What was found of a changed model, and whether it may become a version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tropism.training.optimise.latency import Latency, latency
from tropism.training.optimise.quality import Judge, Quality

if TYPE_CHECKING:
    from tropism.learners.model import Model
    from tropism.training.optimise.base import Sample

GAIN = 0.05
"""A model is smaller or faster when at least this share of the size or the time is gone."""
BATCH = 64
_MOST_TIMED = 2_048
Outcome = Literal["passed", "worse", "not shown", "no gain", "does not fit", "failed"]
"""`not shown`: it may be as good, but these rows do not show it."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of the stored estimators in bytes, the quality on rows held out, the time of one row and of 64."""

    size_before: int
    size_after: int
    quality: Quality
    one: Latency
    many: Latency

    @property
    def size_ratio(self) -> float:
        return self.size_after / self.size_before

    @property
    def gains(self) -> tuple[str, ...]:
        """What is better beyond noise: `size`, `1 row`, `64 rows`."""
        found = ["size"] if self.size_ratio <= 1.0 - GAIN else []
        found += [f"{one.rows} row{'s'[: one.rows > 1]}" for one in self._times if one.ratio.high <= 1.0 - GAIN]
        return tuple(found)

    @property
    def costs(self) -> tuple[str, ...]:
        """What is worse beyond noise, in the same words."""
        found = ["size"] if self.size_ratio >= 1.0 + GAIN else []
        found += [f"{one.rows} row{'s'[: one.rows > 1]}" for one in self._times if one.ratio.low >= 1.0 + GAIN]
        return tuple(found)

    @property
    def _times(self) -> tuple[Latency, Latency]:
        return self.one, self.many

    @property
    def outcome(self) -> Outcome:
        """Whether it passes the gate: no worse than is allowed, and better in something."""
        if not self.quality.passes:
            return "worse" if self.quality.difference.value > self.quality.allowed else "not shown"
        return "passed" if self.gains else "no gain"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one technique: a report and, if it passed, the number of the version; or why there is none."""

    technique: str
    outcome: Outcome
    why: str = ""
    learner: str = ""
    report: Report | None = None
    version: int | None = None
    known: bool = False
    """Whether the version had been made before: the report is the one of that time."""


def examine(before: Model, after: Model, held: Sample, judge: Judge) -> Report:
    """Judges a changed model on rows that neither it nor its making has seen."""
    quality = judge.compare(held, before.predict(held.features, held.at), after.predict(held.features, held.at))
    rows = held.features.slice(0, _MOST_TIMED).to_pylist()
    return Report(
        size_before=size_of(before),
        size_after=size_of(after),
        quality=quality,
        one=latency(before, after, rows, 1),
        many=latency(before, after, rows, BATCH),
    )


def size_of(model: Model) -> int:
    """Bytes of the files that hold a model's estimator."""
    return sum(len(data) for data in model.estimator.export().values())
