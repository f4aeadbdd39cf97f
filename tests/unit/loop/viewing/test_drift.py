from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tropism.core.clock import SECOND
from tropism.core.monitoring import Monitoring
from tropism.core.task import Feature, Kind
from tropism.loop.viewing.drift import DriftView, drift
from tropism.loop.watching.history import levels_name
from tropism.monitoring.watch.monitor import Monitor

Make = Callable[..., Any]


def column(view: DriftView, name: str) -> Any:
    return next(one for one in view.columns if one.name == name)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_shift_is_told_with_its_cause_its_size_and_since_when(stand: Make, kind: Kind) -> None:
    one = stand(kind)
    one.serve(1_200)
    version = one.train()
    one.serve(600)
    one.look()
    calm: Any = drift(one.sources, "world")
    assert calm.version == version and not calm.alarm and calm.score < 0.8
    changed = one.now
    one.serve(900, shift=1.0)
    one.look()
    view: Any = drift(one.sources, "world")
    assert view.alarm and view.score >= 0.8
    assert view.causes[0].name == "a"
    a, b = column(view, "a"), column(view, "b")
    assert abs(view.measured_since - changed) < 180 * SECOND and a.since is not None
    assert 0.7 < a.moved.wasserstein < 1.2 and b.moved.wasserstein < 0.2
    assert a.outside[1] >= 0 and a.missing == (0.0, 0.0)
    assert view.importance.source == "model" and a.importance > b.importance
    assert "rows before version 1 was trained" in view.monitors[0].reference
    assert view.monitors[0].alarms == 1 and view.monitors[0].levels
    assert {one.kind for one in view.monitors} == {"features", "prediction", "loss"}


def test_evidence_counts_by_how_much_the_model_relies_on_a_feature(stand: Make) -> None:
    """There is more evidence on `b`, which the model hardly looks at."""
    one = stand()
    one.serve(1_200)
    one.train()
    one.serve(120)
    one.look()
    number, state = one.sources.kept.get("world", "features/1")
    monitor = msgspec.msgpack.decode(state, type=Monitor)
    said = msgspec.structs.replace(monitor, columns={"a": 0.5, "b": 0.9, "c": 0.0})
    one.sources.kept.put("world", "features/1", msgspec.msgpack.encode(said), after=number, now=one.now)
    view: Any = drift(one.sources, "world")
    assert [(cause.name, cause.score) for cause in view.causes] == [("a", 0.5), ("b", 0.9)]
    assert [one.name for one in view.columns if one.name in "ab"] == ["a", "b"]


def test_since_bounds_what_is_measured(stand: Make) -> None:
    one = stand()
    one.serve(1_200)
    one.train()
    one.serve(600)
    cut = one.now // (60 * SECOND) * 60 * SECOND
    one.serve(300)
    one.look()
    view: Any = drift(one.sources, "world", since=cut)
    assert (view.since, view.measured_since) == (cut, cut)
    assert 200 <= view.measured <= 301
    assert drift(one.sources, "world").measured > 800
    assert all(at > cut for at, _ in view.monitors[0].levels)


def test_features_that_came_and_that_are_ignored(stand: Make) -> None:
    one = stand()
    one.serve(1_200)
    one.apply(msgspec.structs.replace(one.task, monitoring=Monitoring(ignore=("b",))))
    one.train()
    one.serve(120)
    one.look()
    one.apply(msgspec.structs.replace(one.task, features=(*one.task.features, Feature("d", default=0.0))))
    one.serve(120, d=1.0)
    view: Any = drift(one.sources, "world")
    assert column(view, "d").change == "new" and "not there" in column(view, "d").problem
    assert "ignore" in column(view, "b").problem
    assert column(view, "a").change == column(view, "a").problem == ""


def test_a_feature_that_the_task_has_no_more_is_gone(stand: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = stand()
    one.serve(1_200)
    one.train()
    one.serve(120)
    one.look()
    fewer = msgspec.structs.replace(one.task, features=one.task.features[:2])
    monkeypatch.setattr(one.platform.registry.tasks, "get", lambda name: fewer)
    assert column(drift(one.sources, "world"), "c").change == "gone"


def test_what_is_not_there_yet_is_told(stand: Make) -> None:
    one = stand()
    assert drift(one.sources, "world").waiting == {"features": "there is no champion yet"}
    one.imported(50)
    one.train()
    one.serve(50)
    one.look()
    view: Any = drift(one.sources, "world")
    assert (view.score, view.alarm, view.columns, view.monitors) == (None, False, (), ())
    assert view.waiting.keys() == {"features", "prediction", "loss"}
    assert "100 outcomes" in view.waiting["loss"]


def test_a_history_that_the_lake_let_go_leaves_the_rest(stand: Make) -> None:
    one = stand()
    one.serve(1_200)
    one.train()
    one.serve(120)
    one.look()
    one.platform.lake.expire(levels_name("world"), one.now)
    view: Any = drift(one.sources, "world")
    assert view.measured == 0 and view.score is not None
    assert column(view, "a").moved.wasserstein is None and column(view, "a").missing is None


def test_drift_within_a_declared_segment_is_told(stand: Make) -> None:
    one = stand(monitoring=Monitoring(segments=("c",)))
    one.serve(3_000)
    one.train()
    one.serve(300)
    one.serve(300, shift=0.8, c="y")
    one.look()
    found = {segment.name: segment for segment in drift(one.sources, "world").segments}
    assert found.keys() == {"c = x", "c = y", "c = z"}
    assert found["c = y"].alarm is not None and found["c = y"].causes[0] == "a"
    assert found["c = x"].alarm is None


def test_a_chosen_detector_of_the_loss_is_shown_instead_of_ours(stand: Make) -> None:
    one = stand(monitoring=Monitoring(concept="adwin"))
    one.train()
    one.serve(300)
    one.look()
    view: Any = drift(one.sources, "world")
    assert "loss" not in {monitor.kind for monitor in view.monitors}
    assert view.concept is not None and 250 < view.concept.losses <= 300
