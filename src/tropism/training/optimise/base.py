"""The contract of a technique: a model goes in, a smaller or faster one comes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tropism.core.errors import Fault, InvalidInput
from tropism.learners.model import Model

if TYPE_CHECKING:
    import pyarrow as pa

    from tropism.learners.base import Estimator, Floats, Times
    from tropism.learners.calibration import Calibration

EXTRA = "onnx"
"""The extra that brings the packages which write and run ONNX."""

UNFIT = " does not fit this model: "
MOST_TUNED = 10_000
"""Rows on which a technique tunes itself, the last of the calibration rows: more would take long and add little."""


class Sample(NamedTuple):
    """Rows of a task, oldest first: a column a feature, labels (n,) as the task stores them, moments (n,) in µs."""

    features: pa.Table
    labels: Floats
    at: Times

    def slice(self, start: int, stop: int) -> Sample:
        """Rows `start` to `stop`."""
        return Sample(self.features.slice(start, stop - start), self.labels[start:stop], self.at[start:stop])

    def last(self, most: int) -> Sample:
        """The last rows, at most so many."""
        count = len(self.labels)
        return self.slice(max(0, count - most), count)


class DoesNotFit(InvalidInput):
    """The technique cannot do anything for a model of this kind."""


class Technique(ABC):
    """One way to make a model smaller or faster. The constructor takes its parameters by keyword.

    Callers may rely on: the model that goes in is not changed; the same model and rows give a model of equal bytes
    on one machine.
    """

    name: str

    @abstractmethod
    def apply(self, model: Model, calibration: Sample) -> Model:
        """A new model. `calibration`: recent rows, none of which may be used to judge the result.

        Raises:
            DoesNotFit: it is not for models of this kind; says what it is for.
            MissingExtra: it needs a package that is not installed.
            ArtifactRefused: what came out does not pass the audit of its format.
        """

    def refuse(self, model: Model, why: str, fix: str) -> DoesNotFit:
        """The error for a model that this technique is not for."""
        return DoesNotFit(
            f"{self.name}{UNFIT}{why}", Fault("technique", f"{self.name} on {model.estimator.format}", fix)
        )


def derived(
    model: Model,
    estimator: Estimator,
    suffix: str,
    *,
    packages: tuple[str, ...] = (),
    calibration: Calibration | None = None,
) -> Model:
    """The model with another estimator. `suffix` joins its learner's name; `packages` are noted with their versions.

    The calibration stays, unless another is given.
    """
    steps = model.origin.learner.split("+")
    origin = msgspec.structs.replace(
        model.origin,
        learner="+".join([*steps, *(step for step in suffix.split("+") if step not in ("", *steps))]),
        libraries={**model.origin.libraries, **{package: version(package) for package in packages}},
    )
    kept = model.calibration if calibration is None else calibration
    return Model(model.signature, origin, model.encoding, estimator, kept)
