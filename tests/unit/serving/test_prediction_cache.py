from __future__ import annotations

import math
from typing import Any

from tropism.core.events import Value
from tropism.core.task import Task
from tropism.serving import Deployment, ServedModel
from tropism.serving.prediction_cache import PredictionCache
from tropism.serving.predictor import Predictor

ROW: dict[str, Value] = {"demand": 1.0, "zone": "north", "holiday": False}
OTHER: dict[str, Value] = {"demand": 1.0, "zone": "south", "holiday": False}


def test_rows_versions_and_tasks_are_told_apart() -> None:
    cache = PredictionCache(10, 1.0)
    cache.keep(cache.key("a", 1, [0.0, math.nan]), (0.5,))
    assert cache.find(cache.key("a", 1, [0.0, math.nan])) == (0.5,)
    for key in (("b", 1, [0.0, math.nan]), ("a", 2, [0.0, math.nan]), ("a", 1, [1.0, math.nan]), ("a", 1, [0.0])):
        assert cache.find(cache.key(*key)) is None


def test_scores_age_and_the_least_recently_used_go_first() -> None:
    now = [0.0]
    cache = PredictionCache(2, 10.0, lambda: now[0])
    one, two, three = (cache.key("a", 1, [float(n)]) for n in range(3))
    cache.keep(one, (0.1,))
    cache.keep(two, (0.2,))
    assert cache.find(one) == (0.1,)
    cache.keep(three, (0.3,))
    assert (cache.find(two), len(cache)) == (None, 2)
    now[0] = 9.9
    assert cache.find(one) == (0.1,)
    now[0] = 10.0
    assert (cache.find(one), cache.find(three), len(cache)) == (None, None, 0)


def test_a_model_is_asked_only_for_rows_that_are_new(price: Task, stub_model: Any) -> None:
    asked: list[int] = []
    model = stub_model(0.8)
    plain = model.predict_rows

    def counted(rows: list[Any], at: Any = None) -> Any:
        asked.append(len(rows))
        return plain(rows, at)

    model.predict_rows = counted
    predictor = Predictor(cache=PredictionCache(10, 60.0))
    deployment = Deployment(price, ServedModel(3, model))
    first = predictor.answer(deployment, [ROW], [0])
    mixed = predictor.answer(deployment, [ROW, OTHER, ROW], [0, 0, 0])
    known = predictor.answer(deployment, [OTHER, ROW], [0, 0])
    assert asked == [1, 1]
    assert (first.kept, mixed.kept, known.kept) == ((False,), (True, False, True), (True, True))
    assert mixed.scores == [(0.8,)] * 3


def test_what_failed_is_not_kept(price: Task, stub_model: Any) -> None:
    predictor = Predictor(cache=PredictionCache(10, 60.0))
    broken = Deployment(price, ServedModel(3, stub_model(math.nan)))
    for _ in range(2):
        assert predictor.answer(broken, [ROW], [0]).degraded == ("champion-failed",)
