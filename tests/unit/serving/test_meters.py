from __future__ import annotations

from tropism.serving.meters import Histogram


def test_a_value_falls_into_the_first_bucket_that_holds_it() -> None:
    histogram = Histogram("h", "", ("model",), (1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value, "price")
    assert histogram.counts == {("price",): [2, 1, 1]}
    assert histogram.sums == {("price",): 12.0}
