from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tropism.core.clock import SECOND
from tropism.core.errors import UnknownTask
from tropism.core.task import Feature, Kind
from tropism.loop.viewing.performance import performance

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("kind", "metric", "better"), [("binary", "brier", -1), ("multiclass", "accuracy", 1), ("regression", "mae", -1)]
)
def test_a_model_that_learnt_is_shown_above_the_baseline(stand: Make, kind: Kind, metric: str, better: int) -> None:
    one = stand(kind)
    version = one.train()
    one.serve(400, answered=0.8)
    one.look()
    view: Any = performance(one.sources, "world", bins=4)
    assert (view.version, view.waiting, view.imported) == (version, "", 0)
    assert view.rows == view.overall.rows > 250
    gap = view.overall.metrics[metric].value - view.overall.baseline[metric].value
    assert better * gap > 0
    assert 0.7 < view.overall.coverage < 0.9
    assert view.overall.delay == 3
    assert [window.version for window in view.windows] == [None, version] * 4
    assert sum(window.rows for window in view.windows if window.version is None) == view.rows


def test_since_leaves_out_what_was_before_and_a_newer_version_is_told_apart(stand: Make) -> None:
    one = stand()
    first = one.train()
    one.serve(150)
    cut = one.now + 1
    second = one.train()
    one.serve(150)
    one.look()
    assert [part.version for part in performance(one.sources, "world").versions] == [first, second]
    view: Any = performance(one.sources, "world", since=cut)
    assert (view.rows, view.since, view.version) == (150, cut, second)
    assert {window.version for window in view.windows} == {None, second}
    assert min(window.start for window in view.windows) >= cut


def test_a_loss_that_rose_is_told_with_before_and_after(stand: Make) -> None:
    one = stand()
    one.train()
    one.serve(400)
    one.serve(600, unlike=1.0)
    one.look()
    decay: Any = performance(one.sources, "world").decay
    assert decay.score >= 0.8 and decay.alarm is not None
    assert decay.recent > 1.5 * decay.reference
    assert 400 < decay.rows <= 700


def test_what_there_is_too_little_of_is_told(stand: Make) -> None:
    one = stand()
    assert "no prediction has matured" in performance(one.sources, "world").waiting
    one.imported(30)
    one.clock.set(one.now + 60 * SECOND)
    view: Any = performance(one.sources, "world")
    assert (view.version, view.rows, view.imported, view.overall) == (None, 0, 30, None)
    assert "no model was asked" in view.waiting
    one.serve(20, answered=0.0)
    one.clock.set(one.now + 60 * SECOND)
    view = performance(one.sources, "world")
    assert "none of the 20 predictions" in view.waiting
    assert view.overall.coverage == 0


def test_a_task_without_a_champion_has_the_baselines_performance(stand: Make) -> None:
    one = stand("regression")
    one.serve(60)
    one.clock.set(one.now + 60 * SECOND)
    view: Any = performance(one.sources, "world", bins=2)
    assert (view.version, view.rows, view.decay) == (None, 60, None)
    assert {window.version for window in view.windows} == {None, 0}


def test_a_feature_that_came_later_changes_nothing(stand: Make) -> None:
    one = stand()
    one.train()
    one.serve(60)
    one.apply(msgspec.structs.replace(one.task, features=(*one.task.features, Feature("d", default=0.0))))
    one.serve(60, d=1.0)
    one.look()
    assert performance(one.sources, "world").rows == 120


def test_an_unknown_task_names_the_near_one(stand: Make) -> None:
    with pytest.raises(UnknownTask) as caught:
        performance(stand().sources, "wrold")
    assert "did you mean 'world'" in caught.value.faults[0].fix
