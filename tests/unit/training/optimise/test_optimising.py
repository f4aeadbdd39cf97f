from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tropism.core.errors import ArtifactRefused, MissingExtra
from tropism.core.task import Task
from tropism.learners.artifact import load, store
from tropism.learners.calibration import Platt
from tropism.learners.model import Model
from tropism.registry import ModelVersion, NewVersion, Registry
from tropism.storage.blobs import Blobs
from tropism.storage.tables import Database
from tropism.training.optimise import findings
from tropism.training.optimise.base import Sample, Technique, derived
from tropism.training.optimise.division import divide
from tropism.training.optimise.fp16 import Half
from tropism.training.optimise.graph import Graph
from tropism.training.optimise.int8_static import Int8Static
from tropism.training.optimise.optimising import Optimiser
from tropism.training.optimise.quality import Judge

NOW = 1_700_000_000_000_000


class Bench(NamedTuple):
    registry: Registry
    blobs: Blobs
    rows: Sample

    def optimiser(self, version: int, tolerance: float = 0.002) -> Optimiser:
        source = self.registry.versions.get("sales", version)
        rows = divide("sales", self.rows, source.created_at)
        return Optimiser(self.registry, self.blobs, source, rows, Judge("binary", "brier", tolerance), "ann")

    def add(self, model: Model) -> int:
        new = NewVersion(
            model="sales",
            artifact=store(model, self.blobs),
            learner=model.origin.learner,
            window="recent",
            metrics={"loss": 0.15, "baselines": {"majority": 0.25}},
            data={"rows": 2_000},
            signature={"kind": "binary"},
        )
        return self.registry.versions.register(new, now=NOW)

    def version(self, number: int) -> ModelVersion:
        return self.registry.versions.get("sales", number)


@pytest.fixture
def bench(tmp_path: Path, task_of: Callable[..., Task], rows_of: Callable[..., Sample]) -> Iterator[Bench]:
    database = Database(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    database.migrate()
    blobs = Blobs(str(tmp_path / "blobs"))
    registry = Registry(database, blobs)
    registry.tasks.apply(task_of("binary"), NOW)
    yield Bench(registry, blobs, rows_of("binary", 3_000, 1))
    database.dispose()


class Twisted(Technique):
    """No smaller, and as far off as one likes: a slope of 1 leaves the scores as they are."""

    name = "twisted"

    def __init__(self, slope: float = 1.0, error: Exception | None = None) -> None:
        self.slope, self.error = slope, error

    def apply(self, model: Model, calibration: Sample) -> Model:
        if self.error is not None:
            raise self.error
        return derived(model, model.estimator, self.name, calibration=Platt(self.slope, 0.0))


def test_what_passes_becomes_a_version(bench: Bench, network_of: Callable[..., Model]) -> None:
    source = bench.add(network_of("binary", "64,64"))
    optimiser = bench.optimiser(source)
    found = optimiser.attempt(Int8Static(), now=NOW + 1)
    assert (found.outcome, found.version, found.known) == ("passed", 2, False)
    made = bench.version(2)
    assert (made.learner, made.parent, made.window, made.state) == ("mlp+int8-static", 1, "recent", "candidate")
    assert made.signature == {"kind": "binary"}
    assert made.data["rows"] == 2_000 and made.data["calibration_rows"] == 2_000
    assert made.environment["onnxruntime"]
    report = made.metrics["optimised"]["report"]
    assert made.metrics["optimised"]["from"] == 1
    assert report["size_after"] < 0.5 * report["size_before"]
    assert made.metrics["loss"] == pytest.approx(0.15 + report["quality"]["difference"]["value"])
    assert made.metrics["baselines"] == {"majority": 0.25}
    model = load(made.artifact, bench.blobs)
    expected = Int8Static().apply(network_of("binary", "64,64"), bench.rows.slice(0, 2_000))
    assert np.array_equal(model.predict(bench.rows.features), expected.predict(bench.rows.features))


def test_the_champion_stays(bench: Bench, network_of: Callable[..., Model]) -> None:
    bench.optimiser(bench.add(network_of("binary"))).attempt(Half(), now=NOW)
    assert bench.registry.aliases.all("sales") == {}
    assert bench.registry.challenges.list_open("sales") == ()


def test_what_it_came_of_is_noted(bench: Bench, network_of: Callable[..., Model]) -> None:
    bench.optimiser(bench.add(network_of("binary"))).attempt(Half(), now=NOW)
    (link,) = bench.registry.features.lineage("model", "sales/1")
    assert (link.to_kind, link.to_id) == ("model", "sales/2")


def test_the_same_again_is_the_same_version(bench: Bench, network_of: Callable[..., Model]) -> None:
    source = bench.add(network_of("binary"))
    first = bench.optimiser(source).attempt(Half(), now=NOW)
    again = bench.optimiser(source).attempt(Half(), now=NOW + 99)
    assert (again.version, again.known, again.report) == (first.version, True, first.report)
    assert len(bench.registry.versions.list("sales")) == 2


def test_versions_of_equal_bytes_are_optimised_apart(bench: Bench, network_of: Callable[..., Model]) -> None:
    sources = [bench.add(network_of("binary")) for _ in range(2)]
    made = [bench.optimiser(source).attempt(Half(), now=NOW).version for source in sources]
    assert made == [3, 4]


def test_what_is_worse_is_not_registered(bench: Bench, network_of: Callable[..., Model]) -> None:
    found = bench.optimiser(bench.add(network_of("binary"))).attempt(Twisted(0.2), now=NOW)
    assert (found.outcome, found.version) == ("worse", None)
    assert found.report is not None and not found.report.quality.passes
    assert len(bench.registry.versions.list("sales")) == 1


def test_what_may_be_as_good_must_be_shown(bench: Bench, network_of: Callable[..., Model]) -> None:
    """With a tolerance between the difference that was found and the largest that it may be."""
    source, twisted = bench.add(network_of("binary")), Twisted(0.6)
    seen = bench.optimiser(source).attempt(twisted, now=NOW).report
    assert seen is not None
    tolerance = (seen.quality.difference.value + seen.quality.difference.high) / 2
    found = bench.optimiser(source, tolerance).attempt(twisted, now=NOW)
    assert (found.outcome, found.version) == ("not shown", None)


def test_what_gains_nothing_is_not_registered(
    bench: Bench, network_of: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "GAIN", 2.0)  # more than all of it, so that no time decides
    found = bench.optimiser(bench.add(network_of("binary"))).attempt(Twisted(), now=NOW)
    assert (found.outcome, found.version) == ("no gain", None)


def test_what_does_not_fit_is_a_finding(bench: Bench, trees_of: Callable[..., Model]) -> None:
    found = bench.optimiser(bench.add(trees_of("binary"))).attempt(Half(), now=NOW)
    assert (found.outcome, found.report) == ("does not fit", None)
    assert found.why.startswith("it has TreeEnsembleRegressor")


@pytest.mark.parametrize("error", [ArtifactRefused("it is malformed"), MissingExtra("this needs the package 'onnx'")])
def test_what_cannot_be_done_is_a_finding(bench: Bench, trees_of: Callable[..., Model], error: Exception) -> None:
    found = bench.optimiser(bench.add(trees_of("binary"))).attempt(Twisted(error=error), now=NOW)
    assert (found.outcome, found.why) == ("failed", str(error))


def test_metrics_are_told_only_of_rows_that_the_source_has_not_seen(
    bench: Bench, trees_of: Callable[..., Model]
) -> None:
    """The rows lie before the version was made, so it may have learnt from them."""
    found = bench.optimiser(bench.add(trees_of("binary"))).attempt(Graph(), now=NOW)
    assert found.version is not None
    metrics = bench.version(found.version).metrics
    assert metrics["optimised"]["fresh_rows"] is False and "metrics" not in metrics
    later = bench._replace(rows=bench.rows._replace(at=bench.rows.at + NOW + 1))
    again = later.optimiser(bench.add(trees_of("binary"))).attempt(Graph(), now=NOW)
    assert again.version is not None
    metrics = bench.version(again.version).metrics
    assert metrics["optimised"]["fresh_rows"] is True
    assert 0.0 < metrics["metrics"]["brier"]["value"] < 0.25
