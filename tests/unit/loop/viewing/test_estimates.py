from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tropism.core.task import Kind
from tropism.loop.viewing.estimates import estimated

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("kind", "method", "metric"),
    [("binary", "CBPE", "accuracy"), ("multiclass", "CBPE", "accuracy"), ("regression", "DLE", "mae")],
)
def test_predictions_without_labels_are_estimated(stand: Make, kind: Kind, method: str, metric: str) -> None:
    one = stand(kind)
    version = one.train()
    one.serve(300)
    one.look()
    one.serve(300, answered=0.0)
    view: Any = estimated(one.sources, "world", bins=3)
    assert (view.version, view.method, view.reference, view.waiting) == (version, method, 256, "")
    assert view.rows == 600 and len(view.windows) == 3 and view.assumption
    found = view.latest[metric]
    assert found.low < found.value < found.high
    assert abs(found.value - {"binary": 0.85, "multiclass": 0.7, "regression": 0.4}[kind]) < 0.12


def test_it_rests_on_more_rows_when_the_labels_have_doubled(stand: Make) -> None:
    one = stand()
    one.train()
    one.serve(150)
    one.look()
    assert estimated(one.sources, "world").reference == 128
    one.serve(50)
    one.look()
    assert estimated(one.sources, "world").reference == 128
    one.serve(100)
    one.look()
    assert estimated(one.sources, "world").reference == 256


def test_a_version_in_quarantine_is_not_loaded(stand: Make) -> None:
    one = stand()
    version = one.train()
    one.serve(200)
    one.look()
    one.platform.registry.quarantine.put("world", version, reason="crashed", now=one.now, actor="ann", evidence={})
    view: Any = estimated(one.sources, "world")
    assert "quarantine" in view.waiting or view.version is None  # it may have lost its place as well


def test_what_it_waits_for_is_told(stand: Make) -> None:
    one = stand()
    assert estimated(one.sources, "world").waiting == "there is no champion yet"
    one.serve(200)
    one.look()
    one.train()
    one.serve(20)
    one.look()
    assert estimated(one.sources, "world").waiting.startswith("20 of the 128 labelled rows")
    one.serve(200)
    one.look()
    assert "served nothing" in estimated(one.sources, "world", since=one.now).waiting
