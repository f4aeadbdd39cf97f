from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tropism.core.task import Feature
from tropism.loop.viewing.quality import quality_of

Make = Callable[..., Any]


def test_faults_of_the_newest_rows_beside_what_is_usual(stand: Make) -> None:
    one = stand()
    one.serve(300)
    version = one.train()
    one.serve(200)
    calm: Any = quality_of(one.sources, "world")
    assert (calm.version, calm.rows, calm.reference, calm.waiting) == (version, 500, 300, "")
    assert calm.found.score == 1.0
    one.serve(100, b=None, c="q")
    view: Any = quality_of(one.sources, "world", rows=200)
    worst = {feature.name: feature for feature in view.found.features}
    assert (worst["b"].missing, worst["c"].unseen, worst["a"].share) == (100, 100, 0)
    assert view.found.score == pytest.approx(2 / 3)
    assert quality_of(one.sources, "world", since=one.now + 1).waiting == "no row was served in that time"


def test_features_that_came_went_and_changed_their_type(stand: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = stand()
    one.serve(100)
    one.train()
    features = (Feature("a"), Feature("b", type="category"), Feature("d", default=0.0))
    other = msgspec.structs.replace(one.task, features=features)
    monkeypatch.setattr(one.platform.registry.tasks, "get", lambda name: other)
    assert quality_of(one.sources, "world").found.changes == {"b": "retyped", "c": "gone", "d": "new"}


def test_a_task_that_serves_nothing_has_no_score(stand: Make) -> None:
    one = stand()
    one.imported(50)
    view: Any = quality_of(one.sources, "world")
    assert (view.rows, view.found.score, view.waiting) == (0, None, "no row was served yet")
    one.serve(10, b=None)
    view = quality_of(one.sources, "world")
    assert (view.version, view.reference) == (None, 0)
    assert view.found.score == pytest.approx(2 / 3)
