from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.task import Feature, Task
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.registry import ModelVersion
from tropism.storage.blobs import Blobs
from tropism.training.comparing import compare_versions
from tropism.training.optimise.base import Sample

TASK = Task(name="t", kind="binary", target="y", features=(Feature("a"),))


def rows(count: int, seed: int) -> Sample:
    random = np.random.default_rng(seed)
    a = random.normal(size=count)
    labels = np.asarray(3 * a + random.normal(size=count) > 0, np.float64)
    return Sample(pa.table({"a": a}), labels, np.arange(count) * 3_600_000_000)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(str(tmp_path / "blobs"))


def version(blobs: Blobs, number: int, learner: str = "linear", seed: int = 1) -> ModelVersion:
    learnt = rows(400, seed)
    model = fit_model(TASK, learner, Dataset(learnt.features, learnt.labels, learnt.at, None))
    facts: dict[str, Any] = {"model": "t", "learner": learner, "window": "all", "state": "candidate", "created_at": 1}
    return ModelVersion(artifact=store(model, blobs), version=number, **facts)


def test_the_one_that_is_shown_to_be_better_is_recommended(blobs: Blobs) -> None:
    weak, strong = version(blobs, 1, "majority"), version(blobs, 2)
    found = compare_versions(TASK, weak, strong, blobs, rows(1_000, 7))
    assert (found.choice, found.same_artifact) == ("b", False)
    assert found.reason.endswith("on 1,000 rows: version 2 is shown to be better")
    assert found.predictions is not None
    assert 0.3 < (found.predictions.changed or 0) < 0.7
    assert found.predictions.mean < found.predictions.largest <= 1
    assert [one.field for one in found.facts.parameters] == ["learner"]
    assert {one.field for one in found.files} == {"constant.json", "weights.safetensors"}
    assert compare_versions(TASK, strong, weak, blobs, rows(1_000, 7)).choice == "a"


def test_versions_that_are_alike_are_left_undecided(blobs: Blobs) -> None:
    found = compare_versions(TASK, version(blobs, 1), version(blobs, 2, seed=2), blobs, rows(500, 7))
    assert found.choice == "wait"
    assert "neither is shown to be better yet" in found.reason
    assert found.losses is not None
    assert found.losses.verdict == "undecided"


def test_the_same_artifact_is_said_to_be_so(blobs: Blobs) -> None:
    found = compare_versions(TASK, version(blobs, 1), version(blobs, 2), blobs, rows(100, 7))
    assert (found.choice, found.same_artifact, found.files) == ("either", True, ())


def test_without_rows_nothing_is_recommended(blobs: Blobs) -> None:
    found = compare_versions(TASK, version(blobs, 1), version(blobs, 2, seed=2), blobs, None)
    assert (found.choice, found.predictions, found.losses) == ("wait", None, None)
    assert found.reason.startswith("not assessed")
