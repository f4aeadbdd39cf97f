"""Levels, gates, reviews and cards of a project's versions: puts together what each of them needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import Conflict, Fault, TropismError
from tropism.core.identity import Identifiers, task_tag
from tropism.feedback.joining import moments
from tropism.registry.cards import Population, card
from tropism.registry.gate_runs import GateRuns
from tropism.registry.level_policies import LevelPolicies, fingerprint
from tropism.registry.levels import Levels
from tropism.registry.retiring import Retiring
from tropism.registry.reviews import Reviews
from tropism.registry.versions import learnt_until
from tropism.training.comparing import compare_versions
from tropism.training.gates import Drift, Evidence, GateContext, evidence_since, run_gates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tropism.core.task import Task
    from tropism.registry import ModelVersion
    from tropism.registry.cards import Card
    from tropism.registry.gate_runs import GateRun
    from tropism.registry.levels import LevelMove
    from tropism.registry.reviews import Review, Verdict
    from tropism.registry.tombstones import Tombstone
    from tropism.training.comparing import VersionComparison
    from tropism.wiring import Platform

ROWS = 10_000
"""Rows that evidence, drift and populations are taken from, at most: the newest."""
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_CATEGORIES = 10


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

    def run(
        self, model: str, version: int, level: str, *, actor: str, progress: Callable[[str], None] = lambda _: None
    ) -> GateRun:
        """Runs the gates of a level and keeps what they found.

        Raises:
            UnknownTask, UnknownModel, UnknownVersion, InvalidInput: there is no such version or level.
            Conflict: the version is in quarantine or was deleted, or the policy was changed meanwhile.
        """
        policy = self.policies.get(model)
        wanted, asked = policy.level(level), fingerprint(policy, level)
        results = run_gates(wanted.gates, self.context(model, version, level), progress)
        now = self._platform.clock.now()
        return self.runs.add(self._new(model), model, version, level, results, policy=asked, actor=actor, now=now)

    def context(self, model: str, version: int, level: str) -> GateContext:
        """What gates look at."""
        registry, platform = self._platform.registry, self._platform
        task, found = registry.tasks.get(model), registry.versions.get(model, version)
        if found.state == "quarantined":
            fault = Fault("version", str(version), "let it out first: `tropism release`")
            raise Conflict(f"version {version} of '{model}' is in quarantine: it is not loaded", fault)
        live = registry.aliases.get(model, "champion")
        champion = None if live is None else registry.versions.get(model, live)
        return GateContext(
            task=task.flat,
            version=found,
            level=level,
            artifacts=platform.blobs,
            now=platform.clock.now(),
            standing=self.levels.get(model, version),
            evidence=self._evidence(task, learnt_until(found)),
            champion=champion,
            champion_since=0 if champion is None else learnt_until(champion),
            reviews=self.reviews.list(model, version),
            drift=lambda: _drift(platform, task, found),
        )

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
        evidence = self._evidence(task, max(learnt_until(one) for one in sides))
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

    def _evidence(self, task: Task, since: int) -> Evidence | None:
        """Matured rows made after a moment (µs), the newest ones; the baselines learn from earlier ones too."""
        platform = self._platform
        now = platform.clock.now()
        light = platform.cohorts.matured(task, now=now, columns=("at", "label", "label_at"))
        at = moments(light.table, "at")
        if not len(at) or at[-1] <= since:
            return None
        since = max(since, int(at[-min(ROWS, len(at))]) - 1)
        columns = {"at", *(f"f_{name}" for name in task.feature_names)}
        rows = platform.cohorts.matured(task, now=now, since=since + 1, versions=light.lake, columns=columns).table
        features = pa.table({name: rows[f"f_{name}"] for name in task.feature_names})
        labels, known = light.table["label"].to_numpy(), moments(light.table, "label_at")
        return evidence_since(task, features, labels, at, known, since)

    def _new(self, model: str) -> str:
        return self._identifiers.new(self._platform.clock.now(), task_tag(model))


def _drift(platform: Platform, task: Task, version: ModelVersion) -> Drift:
    """How far features moved between the last rows before a version was made and the newest served since."""
    from tropism.loop.watching.rows import rows_served
    from tropism.monitoring.counts import count_columns, freeze, measures

    before = _rows_before(platform, task, version)
    current = rows_served(platform.lake, task, version.created_at, platform.clock.now() + 1, most=ROWS)
    if not before.num_rows or not current.num_rows:
        return Drift({}, before.num_rows, current.num_rows)
    ignored = task.monitoring.ignore
    binnings = {one.name: freeze(before[f"f_{one.name}"], one.type) for one in task.features if one.name not in ignored}
    found = measures(binnings, count_columns(binnings, before), count_columns(binnings, current))
    distances = {name: one.jensen_shannon for name, one in found.items()}
    return Drift(distances, before.num_rows, current.num_rows)


def _rows_before(platform: Platform, task: Task, version: ModelVersion) -> pa.Table:
    from tropism.loop.watching.rows import rows_before

    return rows_before(platform.lake, task, version.created_at, ROWS)


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
