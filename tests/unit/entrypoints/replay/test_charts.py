from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

from tropism.core.clock import DAY
from tropism.entrypoints.replay.charts import Mark, Series, calibration_chart, drift_chart, metric_chart
from tropism.entrypoints.replay.summary import Bin


def line(name: str, *values: float) -> Series:
    return Series(name, tuple((i * 30 * DAY, value) for i, value in enumerate(values)))


def drawn(series: list[Series], marks: list[Mark] | None = None) -> list[ElementTree.Element]:
    """The wide and the narrow chart."""
    text = metric_chart(series, marks or [], axis="mae", dated=True, title="Title", description="Words")
    return list(ElementTree.fromstring(f"<div>{text}</div>"))


def texts(root: ElementTree.Element, class_: str) -> list[ElementTree.Element]:
    return [one for one in root.iter("text") if class_ in (one.get("class") or "").split()]


def test_every_line_is_named_at_its_end_and_names_do_not_overlap() -> None:
    for chart in drawn([line(name, 1.0, 2.0, 2.0) for name in ("loop", "static", "scheduled", "no-change")]):
        names = texts(chart, "name")
        heights = sorted(float(name.get("y") or 0) for name in names)
        assert {name.text for name in names} == {"loop", "static", "scheduled", "no-change"}
        assert all(b - a >= 15.9 for a, b in pairwise(heights))
        assert heights[0] > 0
        assert heights[-1] < 400


def test_a_far_no_change_line_is_left_outside_and_pointed_to() -> None:
    for chart in drawn([line("loop", 1.0, 1.1), line("static", 1.2, 1.3), line("no-change", 50.0, 51.0)]):
        assert "no-change ↑" in {name.text for name in texts(chart, "name")}


def test_decisions_are_drawn_with_their_sentence() -> None:
    marks = [
        Mark(DAY, "train", 1, "trained <1>"),
        Mark(10 * DAY, "promote", 1, "promoted 1"),
        Mark(40 * DAY, "rollback", 2, "rolled back"),
    ]
    for chart in drawn([line("loop", 1.0, 2.0, 1.0)], marks):
        titles = [one.text for one in chart.iter("title")]
        assert {"trained <1>", "promoted 1", "rolled back", "version 1 was champion"} <= set(titles)
        assert len([one for one in chart.iter("polygon") if one.get("class") == "promote"]) == 1


def test_a_promotion_points_up_above_the_line_and_a_rollback_down_below_it() -> None:
    marks = [Mark(30 * DAY, "promote", 1, "p"), Mark(30 * DAY, "rollback", 2, "r")]
    chart = drawn([line("loop", 1.0, 2.0, 1.0)], marks)[0]
    heights = {
        one.get("class"): [float(point.split(",")[1]) for point in (one.get("points") or "").split()]
        for one in chart.iter("polygon")
    }
    assert heights["promote"][0] < heights["promote"][1] < heights["rollback"][1] < heights["rollback"][0]


def test_one_point_and_a_level_line_can_be_drawn() -> None:
    assert len(drawn([line("loop", 0.5)])) == 2
    assert len(drawn([line("loop", 0.5, 0.5), line("other", 0.5, 0.5)], [Mark(0, "promote", None, "p")])) == 2


def test_calibration_dots_say_what_they_are() -> None:
    text = calibration_chart("loop", [Bin(0.2, 0.25, 10), Bin(0.8, 0.7, 30)], span=(0.0, 1.0), description="Words")
    root = ElementTree.fromstring(text)
    assert "loop: predicted 0.2000, observed 0.2500, 10 events" in {one.text for one in root.iter("title")}
    assert len(list(root.iter("circle"))) == 2


def test_drift_cells_are_stronger_where_scores_are_larger_and_absent_where_unknown() -> None:
    rows = [("price", [0.0, 0.5, None]), ("a very long name of a feature", [1.0, None, 0.1])]
    text = drift_chart(rows, [0, DAY, 2 * DAY, 3 * DAY], top=1.0, dated=True, title="T", description="D")
    wide = ElementTree.fromstring(f"<div>{text}</div>")[0]
    shades = [float(cell.get("fill-opacity") or 0) for cell in wide.iter("rect")]
    assert len(shades) == 4
    assert shades[0] < shades[3] < shades[1] < shades[2] == 1.0
