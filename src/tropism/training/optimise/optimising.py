"""Tries techniques on a registered version, and registers what passes the gate as new versions."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import ArtifactRefused, MissingExtra, TrainingFailed
from tropism.core.identity import derived_id, task_tag
from tropism.evaluation.metrics import summarise
from tropism.learners.artifact import load, pack, store
from tropism.registry import NewVersion
from tropism.training.optimise.base import UNFIT, DoesNotFit
from tropism.training.optimise.findings import Finding, Report, examine

if TYPE_CHECKING:
    from tropism.core.errors import TropismError
    from tropism.learners.model import Model
    from tropism.registry import ModelVersion, Registry
    from tropism.storage.blobs import Blobs
    from tropism.training.optimise.base import Technique
    from tropism.training.optimise.division import Division
    from tropism.training.optimise.quality import Judge

_PACKAGES = ("tropism", "numpy", "lightgbm", "onnx", "onnxruntime")


class Optimiser:
    """Works on one version of a model. The champion is never moved.

    What is made has the source as its parent, and an id derived from the source and the artifact as its job: the same
    result again is the same version again.
    """

    def __init__(
        self, registry: Registry, blobs: Blobs, source: ModelVersion, rows: Division, judge: Judge, actor: str
    ) -> None:
        """Raises `ArtifactTampered` or `ArtifactRefused` when the source cannot be loaded."""
        self._registry, self._blobs, self._actor = registry, blobs, actor
        self._source, self._rows, self._judge = source, rows, judge
        self.model = load(source.artifact, blobs)

    def attempt(self, technique: Technique, *, now: int) -> Finding:
        """Applies one technique, judges what comes out, and registers it if it passes.

        A technique that does not fit, that lacks a package, or whose result is refused by the audit, is a finding,
        not an error.
        """
        try:
            changed = technique.apply(self.model, self._rows.calibration)
        except DoesNotFit as error:
            return Finding(technique=technique.name, outcome="does not fit", why=error.message.rpartition(UNFIT)[2])
        except (ArtifactRefused, MissingExtra, TrainingFailed) as error:
            return Finding(technique=technique.name, outcome="failed", why=_one_line(error))
        job = self._job(changed)
        known = self._known(technique, changed, job)
        if known is not None:
            return known
        report = examine(self.model, changed, self._rows.held, self._judge)
        found = Finding(technique=technique.name, outcome=report.outcome, learner=changed.origin.learner, report=report)
        if report.outcome != "passed":
            return found
        return self._register(found, report, changed, job, now)

    def _job(self, changed: Model) -> str:
        """The id under which a result is registered: that of the source and of the bytes."""
        digest = hashlib.sha256(pack(changed).manifest).hexdigest()
        source = self._source
        return derived_id(
            source.created_at, f"optimise:{source.model}:{source.version}:{digest}", task_tag(source.model)
        )

    def _known(self, technique: Technique, changed: Model, job: str) -> Finding | None:
        for one in self._registry.versions.list(self._source.model):
            if one.job_id == job:
                report = msgspec.convert(one.metrics["optimised"]["report"], Report)
                return Finding(
                    technique=technique.name,
                    outcome="passed",
                    learner=changed.origin.learner,
                    report=report,
                    version=one.version,
                    known=True,
                )
        return None

    def _register(self, found: Finding, report: Report, changed: Model, job: str, now: int) -> Finding:
        artifact = store(changed, self._blobs)
        try:
            load(artifact, self._blobs)  # nothing becomes a version that could not be served
        except ArtifactRefused as error:
            return msgspec.structs.replace(found, outcome="failed", why=_one_line(error))
        source = self._source
        new = NewVersion(
            model=source.model,
            artifact=artifact,
            learner=changed.origin.learner,
            window=source.window,
            metrics=self._metrics(found, report, changed),
            data={**source.data, "calibration_rows": len(self._rows.calibration.labels)},
            signature=source.signature,
            environment=_environment(),
            parameters=dict(source.parameters),
            parent=source.version,
            job_id=job,
        )
        number = self._registry.versions.register(new, now=now, actor=self._actor)
        ids = (f"{source.model}/{source.version}", f"{source.model}/{number}")
        self._registry.features.link("model", ids[0], "model", ids[1], now)
        return msgspec.structs.replace(found, version=number)

    def _metrics(self, found: Finding, report: Report, changed: Model) -> dict[str, Any]:
        """The source's loss with what is added to it, beside the source's baselines: one frame for both.

        The loss on the rows held out would be too good where the source has learnt from them.
        """
        before, held = self._source.metrics, self._rows.held
        made: dict[str, Any] = {
            "baselines": before.get("baselines", {}),
            "optimised": {
                "from": self._source.version,
                "technique": found.technique,
                "tolerance": self._judge.tolerance,
                "fresh_rows": self._rows.fresh,
                "report": msgspec.to_builtins(report),
            },
        }
        if isinstance(before.get("loss"), int | float):
            made["loss"] = before["loss"] + report.quality.difference.value
        if self._rows.fresh:
            scores = changed.predict(held.features, held.at)
            made["metrics"] = msgspec.to_builtins(summarise(changed.signature.kind, held.labels, scores))
        return made


def _one_line(error: TropismError) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines())


def _environment() -> dict[str, Any]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
