"""Tree ensembles that stop adding trees to a row once its answer is clear, stored as LightGBM text and two numbers.

LightGBM's prediction early stopping: every so many rounds it looks at the margin of the sum so far (twice its size
for two classes, the lead over the second for more) and stops where that passes a limit.
https://lightgbm.readthedocs.io/en/stable/Parameters.html#pred_early_stop
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import msgspec

from tropism.core.errors import ArtifactRefused, Fault
from tropism.learners.base import Estimator
from tropism.learners.lightgbm_text import audit
from tropism.learners.native_booster import NativeBooster
from tropism.learners.trees import FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.learners.base import Floats, Shape, Times

EXIT_FILE = "exit.json"
MOST_EVERY, MOST_MARGIN = 10_000, 1e6


class Exit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When to stop: the margin is looked at every so many rounds, and must be larger than `margin`."""

    every: int
    margin: float


class EarlyExitTrees(Estimator):
    """A classifier's trees; a row's scores are those of the trees that were added before it was clear.

    A row stops by its own sums alone, so it has the same scores alone and among others.
    """

    format: ClassVar[str] = "lightgbm-early-exit"

    def __init__(self, text: bytes, shape: Shape, exit_rule: Exit) -> None:
        """Raises `ArtifactRefused` unless `text` is a sound classifier of this shape and the rule makes sense."""
        if shape.kind == "regression" or b"\naverage_output\n" in text[: text.find(b"\n\n") + 1]:
            raise _refused("kind", shape.kind, "only boosted classifiers can stop early")
        if not (1 <= exit_rule.every <= MOST_EVERY and 0.0 <= exit_rule.margin <= MOST_MARGIN):
            fix = f"use 1 to {MOST_EVERY} rounds and a margin of 0 to {MOST_MARGIN:g}"
            raise _refused(EXIT_FILE, f"{exit_rule.every} rounds, margin {exit_rule.margin}", fix)
        self._ensemble = audit(text, shape)
        self._text = text
        self.exit_rule = exit_rule
        settings = f"pred_early_stop=true pred_early_stop_freq={exit_rule.every}"
        settings = f"{settings} pred_early_stop_margin={exit_rule.margin!r}"
        self._booster = NativeBooster(text, shape.width, shape.outputs, settings)

    @classmethod
    def load(cls, files: Mapping[str, bytes], shape: Shape) -> Self:
        if files.keys() != {FILE, EXIT_FILE}:
            raise _refused("files", str(sorted(files)), f"keep {FILE} and {EXIT_FILE}")
        try:
            rule = msgspec.json.decode(files[EXIT_FILE], type=Exit)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _refused(EXIT_FILE, str(error), "optimise the model again") from error
        return cls(files[FILE], shape, rule)

    @property
    def trees(self) -> int:
        return self._ensemble.trees

    def predict(self, matrix: Floats, at: Times | None = None) -> Floats:  # noqa: ARG002 - trees have no clock
        return self._booster.predict(matrix)

    def score(self, values: Sequence[float]) -> Floats:
        """Scores (1, outputs) of one row of `width` numbers."""
        return self._booster.score(values)

    def export(self) -> dict[str, bytes]:
        return {FILE: self._text, EXIT_FILE: msgspec.json.encode(self.exit_rule)}

    def importance(self) -> Floats:
        """Total gain of the splits on each column."""
        return self._ensemble.gains.clip(min=0.0)

    def close(self) -> None:
        """Lets the native memory go."""
        self._booster.close()


def _refused(field: str, value: str, fix: str) -> ArtifactRefused:
    return ArtifactRefused("the trees with an early exit are malformed and were not loaded", Fault(field, value, fix))
