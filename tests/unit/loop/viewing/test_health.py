from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tropism.core.clock import DAY
from tropism.core.errors import InvalidInput
from tropism.core.monitoring import Rule
from tropism.core.task import Kind
from tropism.loop.viewing.health import health
from tropism.monitoring.health import page, to_json

Make = Callable[..., Any]


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_model_in_use_has_all_of_its_parts(stand: Make, kind: Kind) -> None:
    one = stand(kind)
    one.serve(1_100)
    one.train()
    one.serve(300)
    version = one.train()
    one.serve(400, answered=0.9)
    one.look()
    one.sources.alerts.apply("world", (Rule("slow", "latency_p95 > 1s", "low"),), {"latency_p95": 2.0}, one.now)
    report: Any = health(one.sources, "world", days=1)
    facts = report.facts
    assert (facts.version, facts.former, facts.end_at - facts.start_at) == (version, 1, DAY)
    assert facts.current.rows > 1_500 and facts.performance and facts.start.rows == 100 and facts.previous.rows == 100
    assert {one.kind for one in facts.monitors} >= {"features"} and {one.name for one in facts.moved} >= {"a", "b", "c"}
    assert facts.importance["a"] > facts.importance["b"] and facts.estimated and facts.segments is not None
    assert facts.quality.score > 0.99
    assert facts.feedback.predictions == 1_800 and 0.95 < facts.feedback.coverage < 1
    assert [alert.rule for alert in facts.open_alerts] == ["slow"]
    assert [one.kind for one in facts.decisions] == ["promote", "promote"]
    assert facts.decisions[0].reason == "it is better"
    assert facts.absent.keys() <= {"service", "cost", "prediction", "loss", "measures"}
    assert report.score.value > 50 and report.recommendation.action in ("nothing", "wait")
    assert msgspec.json.decode(to_json(report))["score"]["value"] == report.score.value
    assert "<!doctype html>" in page(report)


def test_a_task_with_nothing_has_a_report_that_says_why(stand: Make) -> None:
    one = stand()
    for step in (lambda: None, lambda: one.imported(50)):
        step()
        report: Any = health(one.sources, "world")
        assert report.score.value is None or report.facts.version is None
        assert report.recommendation.action == "wait"
        assert report.facts.absent.keys() >= {"performance", "start", "features", "quality", "service", "segments"}
        assert all(report.facts.absent.values())
        assert page(report)


def test_one_part_that_fails_leaves_the_others(stand: Make) -> None:
    one = stand()
    one.train()
    one.serve(200)
    one.look()
    folder = one.platform.lake._root / "world" / "outcomes"
    for path in folder.rglob("*.parquet"):
        path.unlink()
    report: Any = health(one.sources, "world")
    assert "performance" in report.facts.absent and report.facts.quality is not None


@pytest.mark.parametrize("days", [0, -1, 366])
def test_a_period_out_of_range_is_refused(stand: Make, days: int) -> None:
    with pytest.raises(InvalidInput):
        health(stand().sources, "world", days=days)
