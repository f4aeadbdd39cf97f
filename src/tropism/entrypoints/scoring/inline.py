"""Scores parts in this process: for files so small that others are not worth their start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.entrypoints.scoring.scorer import Scorer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tropism.entrypoints.scoring.parts import Part, ScoredPart
    from tropism.entrypoints.scoring.plan import Plan
    from tropism.learners.artifact import BlobStore


class Inline:
    """Gives back what became of parts, in their order."""

    def __init__(self, plan: Plan, blobs: BlobStore) -> None:
        self._scorer = Scorer(plan, blobs)

    def __call__(self, parts: Iterable[Part]) -> Iterator[ScoredPart]:
        return map(self._scorer.score, parts)
