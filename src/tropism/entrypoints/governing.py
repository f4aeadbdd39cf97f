"""Levels, gates, reviews and cards of a project's versions: puts together what each of them needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow.compute as pc

from tropism.core.errors import Conflict, Fault, TropismError
from tropism.core.governance import MOST_ROWS
from tropism.core.identity import Identifiers, task_tag
from tropism.loop.gate_jobs import GateOrder, ask_for_gates
from tropism.loop.gating import Gating
from tropism.registry.cards import Population, card
from tropism.registry.gate_runs import GateRuns
from tropism.registry.level_policies import LevelPolicies
from tropism.registry.levels import Levels
from tropism.registry.retiring import Retiring
from tropism.registry.reviews import Reviews
from tropism.registry.versions import learnt_until
from tropism.training.comparing import compare_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from tropism.core.task import Task
    from tropism.registry import Approval, Job, ModelVersion, Promoted
    from tropism.registry.cards import Card
    from tropism.registry.gate_runs import GateRun
    from tropism.registry.levels import LevelMove
    from tropism.registry.reviews import Review, Verdict
    from tropism.registry.tombstones import Tombstone
    from tropism.training.comparing import VersionComparison
    from tropism.wiring import Platform

_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_CATEGORIES = 10


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a person's word on a promotion. `missing`: who must still approve; `promoted`: what it moved."""

    approval: Approval
    missing: str
    promoted: Promoted | None


class Governing:
    """What the commands and routes of levels do. Every write names its `actor`."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._identifiers = Identifiers()
        database = platform.registry.db
        self.policies = LevelPolicies(database)
        self.levels = Levels(database)
        self.runs = GateRuns(database)
        self.reviews = Reviews(database)
        self.retiring = Retiring(database, platform.blobs)
        self.gating = Gating(platform.registry, platform.lake, platform.cohorts, platform.blobs, platform.clock)

    def run(
        self, model: str, version: int, level: str, *, actor: str, progress: Callable[[str], None] = lambda _: None
    ) -> GateRun:
        """Runs the gates of a level here and now, and keeps what they found. Raises what `Gating.run` does."""
        return self.gating.run(self._new(model), model, version, level, actor=actor, progress=progress)

    def ask(self, model: str, version: int, level: str, *, actor: str) -> Job:
        """Has a worker run the gates of a level. Raises what `ask_for_gates` does."""
        order = GateOrder(model=model, version=version, level=level, actor=actor)
        return ask_for_gates(self._platform.registry, self._new(model), order, now=self._platform.real.now())

    def move(
        self,
        model: str,
        version: int,
        level: str,
        *,
        actor: str,
        expected: str | None = None,
        reason: str = "",
        keep: bool = False,
    ) -> LevelMove:
        """Moves a version. `expected`: where the caller saw it; by default where it is. Raises as `Levels.move`."""
        self._platform.registry.tasks.get(model)
        before = self.levels.get(model, version).level if expected is None else expected
        name, now = self._new(model), self._platform.clock.now()
        return self.levels.move(
            name, model, version, level, expected=before, actor=actor, now=now, reason=reason, keep=keep
        )

    def review(
        self, model: str, version: int, level: str, *, actor: str, role: str, verdict: Verdict, comment: str
    ) -> Review:
        """Takes a review. Raises what `Reviews.give` does."""
        now = self._platform.clock.now()
        words = {"actor": actor, "role": role, "comment": comment}
        return self.reviews.give(self._new(model), model, version, level, now=now, verdict=verdict, **words)

    def answer(
        self, model: str, version: int, *, actor: str, role: str = "", verdict: Verdict = "approved", comment: str = ""
    ) -> Answered:
        """Takes a person's word on a promotion that waits, and carries it out where that was the last one needed.

        Raises:
            Conflict: none of this version waits, it was answered otherwise, or the champion moved.
            InvalidInput: the actor is the version's author, asked for this himself, or does not have the role.
            PolicyRefused: it is approved, and does not stand on the highest level yet.
            UnknownTask, UnknownModel, UnknownVersion: there is none.
        """
        registry, now = self._platform.registry, self._platform.clock.now()
        task = registry.tasks.get(model)
        registry.versions.get(model, version)
        waiting = [one for one in registry.approvals.open(model) if one.version == version]
        if not waiting:
            fault = Fault("version", str(version), "see what waits: `tropism status`; or `tropism promote` it")
            raise Conflict(f"no promotion of version {version} of '{model}' waits for approval", fault)
        asked = waiting[0].id
        if verdict == "refused":
            said = registry.approvals.refuse(asked, actor=actor, now=now, comment=comment, role=role)
            return Answered(approval=said, missing="", promoted=None)
        champion = registry.aliases.get(model, "champion")
        said, moved = registry.promotion.approve(
            asked, expected=champion, actor=actor, policy=task.policy, now=now, comment=comment, role=role
        )
        missing = registry.approvals.missing(said.id, now) if moved is None else ""
        return Answered(approval=said, missing=missing, promoted=moved)

    def withdraw(self, review: str, *, actor: str) -> Review:
        """Takes a review back. Raises what `Reviews.withdraw` does."""
        return self.reviews.withdraw(review, actor=actor, now=self._platform.clock.now())

    def retire(self, model: str, version: int, *, actor: str, reason: str) -> LevelMove:
        """Retires a version. Raises what `Retiring.retire` does."""
        now = self._platform.clock.now()
        return self.retiring.retire(self._new(model), model, version, actor=actor, now=now, reason=reason)

    def delete(self, model: str, version: int, *, actor: str, reason: str) -> Tombstone:
        """Deletes a version. Raises what `Retiring.delete` does."""
        return self.retiring.delete(model, version, actor=actor, now=self._platform.clock.now(), reason=reason)

    def compare(self, model: str, a: int, b: int) -> VersionComparison:
        """Two versions side by side, on rows that neither learnt from. Raises what `compare_versions` does."""
        registry = self._platform.registry
        task = registry.tasks.get(model)
        sides = [registry.versions.get(model, number) for number in (a, b)]
        evidence = self.gating.evidence(task, max(learnt_until(one) for one in sides))
        rows = None if evidence is None else evidence.rows
        return compare_versions(task.flat, sides[0], sides[1], self._platform.blobs, rows)

    def card(self, model: str, version: int) -> Card:
        """The card of a version, with what its model and the rows before its training tell.

        Raises:
            UnknownTask, UnknownModel, UnknownVersion: there is none.
        """
        registry = self._platform.registry
        task, found = registry.tasks.get(model), registry.versions.get(model, version)
        try:
            told = self._platform.fetch(task, version).importance()
        except TropismError:
            told = {}
        importance = told if any(told.values()) else {}
        return card(
            registry, model, version, importance=importance, populations=_populations(self._platform, task, found)
        )

    def _new(self, model: str) -> str:
        return self._identifiers.new(self._platform.clock.now(), task_tag(model))


def _rows_before(platform: Platform, task: Task, version: ModelVersion) -> pa.Table:
    from tropism.loop.watching.rows import rows_before

    return rows_before(platform.lake, task, version.created_at, MOST_ROWS)


def _populations(platform: Platform, task: Task, version: ModelVersion) -> Mapping[str, Population]:
    """What the last rows before a version was made had in each feature."""
    rows = _rows_before(platform, task, version)
    if not rows.num_rows:
        return {}
    return {one.name: _population(rows[f"f_{one.name}"], one.type == "number") for one in task.features}


def _population(column: pa.ChunkedArray, number: bool) -> Population:
    rows, there = len(column), column.drop_null()
    missing = 1.0 - len(there) / rows
    if number:
        values = there.to_numpy()
        values = values[np.isfinite(values)]
        found = np.quantile(values, _QUANTILES).tolist() if len(values) else []
        quantiles = {f"{share:g}": value for share, value in zip(_QUANTILES, found, strict=False)}
        return Population(rows=rows, missing=missing, quantiles=quantiles)
    counted = sorted(pc.value_counts(there).to_pylist(), key=lambda one: (-one["counts"], str(one["values"])))
    shares = {str(one["values"]): one["counts"] / rows for one in counted[:_CATEGORIES]}
    return Population(rows=rows, missing=missing, categories=shares)
