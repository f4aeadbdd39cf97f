"""Runs the gates of a level on a version: puts together what they look at, and keeps what they found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from tropism.core.errors import Conflict, Fault
from tropism.core.governance import MOST_ROWS
from tropism.feedback.joining import moments
from tropism.loop.watching.rows import rows_before, rows_served
from tropism.registry.gate_runs import GateRuns
from tropism.registry.level_policies import LevelPolicies, fingerprint
from tropism.registry.levels import Levels
from tropism.registry.reviews import Reviews
from tropism.registry.versions import learnt_until
from tropism.training.gates import Drift, Evidence, GateContext, evidence_since, run_gates

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.core.clock import Clock
    from tropism.core.task import Task
    from tropism.feedback.cohorts import Cohorts
    from tropism.registry import ModelVersion, Registry
    from tropism.registry.gate_runs import GateRun
    from tropism.storage.blobs import Blobs
    from tropism.storage.lake import Lake


@dataclass(frozen=True)
class Gating:
    """What gates are run with."""

    registry: Registry
    lake: Lake
    cohorts: Cohorts
    blobs: Blobs
    clock: Clock

    def run(
        self,
        run_id: str,
        model: str,
        version: int,
        level: str,
        *,
        actor: str,
        progress: Callable[[str], None] = lambda _: None,
    ) -> GateRun:
        """Runs the gates of a level and keeps what they found; a run that was kept under this id is given again.

        `progress` is told each gate's name before it runs; what it raises ends the run, and nothing is kept.

        Raises:
            UnknownTask, UnknownModel, UnknownVersion, InvalidInput: there is no such version or level.
            Conflict: the version is in quarantine or was deleted, or the policy was changed meanwhile.
        """
        database = self.registry.db
        policy = LevelPolicies(database).get(model)
        wanted, asked = policy.level(level), fingerprint(policy, level)
        results = run_gates(wanted.gates, self.context(model, version, level), progress)
        now = self.clock.now()
        return GateRuns(database).add(run_id, model, version, level, results, policy=asked, actor=actor, now=now)

    def context(self, model: str, version: int, level: str) -> GateContext:
        """What gates look at. Raises: UnknownTask, UnknownModel, UnknownVersion. Conflict: it is in quarantine."""
        registry = self.registry
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
            artifacts=self.blobs,
            now=self.clock.now(),
            standing=Levels(registry.db).get(model, version),
            evidence=self.evidence(task, learnt_until(found)),
            champion=champion,
            champion_since=0 if champion is None else learnt_until(champion),
            reviews=Reviews(registry.db).list(model, version),
            drift=lambda: self._drift(task, found),
        )

    def evidence(self, task: Task, since: int) -> Evidence | None:
        """Matured rows made after a moment (µs), the newest ones; the baselines learn from earlier ones too."""
        now = self.clock.now()
        light = self.cohorts.matured(task, now=now, columns=("at", "label", "label_at"))
        at = moments(light.table, "at")
        if not len(at) or at[-1] <= since:
            return None
        since = max(since, int(at[-min(MOST_ROWS, len(at))]) - 1)
        columns = {"at", *(f"f_{name}" for name in task.feature_names)}
        rows = self.cohorts.matured(task, now=now, since=since + 1, versions=light.lake, columns=columns).table
        features = pa.table({name: rows[f"f_{name}"] for name in task.feature_names})
        labels, known = light.table["label"].to_numpy(), moments(light.table, "label_at")
        return evidence_since(task, features, labels, at, known, since)

    def _drift(self, task: Task, version: ModelVersion) -> Drift:
        """How far features moved between the last rows before a version was made and the newest served since."""
        from tropism.monitoring.counts import count_columns, freeze, measures

        before = rows_before(self.lake, task, version.created_at, MOST_ROWS)
        current = rows_served(self.lake, task, version.created_at, self.clock.now() + 1, most=MOST_ROWS)
        if not before.num_rows or not current.num_rows:
            return Drift({}, before.num_rows, current.num_rows)
        ignored = task.monitoring.ignore
        looked = [one for one in task.features if one.name not in ignored]
        binnings = {one.name: freeze(before[f"f_{one.name}"], one.type) for one in looked}
        found = measures(binnings, count_columns(binnings, before), count_columns(binnings, current))
        distances = {name: one.jensen_shannon for name, one in found.items()}
        return Drift(distances, before.num_rows, current.num_rows)
