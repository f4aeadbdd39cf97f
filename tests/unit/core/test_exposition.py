from __future__ import annotations

import math

from tropism.core.exposition import family, joined, sample


def test_what_a_label_holds_cannot_break_the_text() -> None:
    assert sample("a", [("b", 'x"y\\z\nw')], 1) == 'a{b="x\\"y\\\\z\\nw"} 1'
    lines = list(family("a", "gauge", "two\nlines", [((), 1.5)]))
    assert lines == ["# HELP a two\\nlines", "# TYPE a gauge", "a 1.5"]


def test_numbers_are_those_of_prometheus() -> None:
    assert [sample("a", [], value)[2:] for value in (math.nan, math.inf, -math.inf, 3, 1e-9)] == [
        *("NaN", "+Inf", "-Inf", "3", "1e-09")
    ]


def test_a_metric_that_comes_twice_is_told_once_with_all_its_samples() -> None:
    histogram = '# HELP h H.\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n'
    own = list(family("a", "gauge", "A.", [((), 1)]))
    text = histogram + "\n".join(family("a", "gauge", "Other.", [((), 2)]))
    assert joined([text, histogram], told=own) == histogram.splitlines()


def test_samples_without_a_heading_are_left_out() -> None:
    assert joined(["a 1\n\n# TYPE b gauge\nb 1\n"]) == ["# TYPE b gauge", "b 1"]
