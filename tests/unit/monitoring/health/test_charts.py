from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from tropism.core.clock import DAY
from tropism.monitoring.health import charts
from tropism.monitoring.health.charts import Frame, Line, Mark, Point

FRAME = Frame(ident="c", title="a title", description="what it shows", axis="value", span=(0, 10 * DAY))


def parsed(drawing: str) -> ET.Element:
    return ET.fromstring(f"<all>{drawing}</all>")


@pytest.mark.parametrize(
    "points",
    [
        (Point(5 * DAY, 0.3),),
        (Point(1, 0.0), Point(2, 0.0)),
        (Point(1, 5.0, 4.0, 1e300), Point(DAY, 6.0, -1e300, 7.0), Point(2 * DAY, 6.0)),
        (Point(1, float("nan")), Point(2, 1.0, float("-inf"), 2.0), Point(3, 2.0, 1.0, 3.0)),
        tuple(Point(at * DAY, -at, -at - 1.0, -at + 1.0) for at in range(10)),
    ],
    ids=["one point", "all zero", "immense intervals", "not finite", "negative"],
)
def test_every_place_lies_within_the_drawing(points: tuple[Point, ...]) -> None:
    drawing = parsed(charts.over_time(FRAME, [Line("model", "model", points)]))

    for svg in drawing:
        _, _, width, height = map(float, svg.attrib["viewBox"].split())
        shapes = [shape for name in ("polyline", "polygon") for shape in svg.iter(name)]
        places = [place.split(",") for shape in shapes for place in shape.attrib["points"].split()]
        assert places
        assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in places)


def test_of_nothing_there_is_no_drawing() -> None:
    lines = [Line("model", "model", ()), Line("baseline", "baseline", (Point(1, float("inf")),))]

    assert charts.over_time(FRAME, lines) == ""


def test_names_at_the_lines_ends_do_not_overlap() -> None:
    lines = [Line(name, "loss", (Point(0, 0.5), Point(DAY, 0.5 + place / 1e6))) for place, name in enumerate("abc")]

    for svg in parsed(charts.over_time(FRAME, lines)):
        rows = sorted(
            float(label.attrib["y"]) for label in svg.iter("text") if label.attrib["class"].startswith("name")
        )
        assert min(after - before for before, after in pairwise(rows)) >= 15.9


def test_marks_close_together_are_drawn_and_only_named_where_there_is_room() -> None:
    marks = [Mark(5 * DAY + place, f"v{place}", f"version {place}") for place in range(20)]

    svg = parsed(charts.over_time(FRAME, [Line("model", "model", (Point(0, 1.0), Point(DAY, 2.0)))], marks))[0]

    assert sum(line.attrib["class"] == "mark" for line in svg.iter("line")) == 20
    assert sum(label.attrib["class"] == "mark-name" for label in svg.iter("text")) == 1


def test_a_chart_says_what_it_shows() -> None:
    for svg in parsed(charts.over_time(FRAME, [Line("model", "model", (Point(0, 1.0),))])):
        titles = {one.attrib["id"]: one.text for one in svg if one.tag in ("title", "desc")}
        assert [titles[ident] for ident in svg.attrib["aria-labelledby"].split()] == ["a title", "what it shows"]


@pytest.mark.parametrize("value", [None, 0.0, 0.5, 1.0])
def test_a_gauge_of_what_is_not_known_is_empty_and_says_so(value: float | None) -> None:
    svg = parsed(charts.gauge("g", value, "drift: not known", "drift: not known"))[0]

    assert len(list(svg.iter("rect"))) == (1 if value is None else 2)
    assert "not known" in svg.findtext("title", "")
