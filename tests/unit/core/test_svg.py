from __future__ import annotations

from xml.etree import ElementTree

from tropism.core import svg

NASTY = "<script>alert('x')</script> & \"quotes\""


def test_texts_and_attributes_are_escaped() -> None:
    drawn = svg.figure("id", 10, 10, NASTY, NASTY, svg.label(NASTY, 1, 2, "tick"), svg.hover(NASTY), class_=NASTY)
    root = ElementTree.fromstring(drawn)
    assert root.get("class") == NASTY
    assert [child.text for child in root] == [NASTY, NASTY, NASTY, None]
    assert "<script" not in drawn


def test_a_figure_says_what_it_shows() -> None:
    root = ElementTree.fromstring(svg.figure("id", 10, 10, "Title", "Words", class_="chart"))
    assert root.get("aria-labelledby") == "id-title id-desc"
    assert {child.get("id"): child.text for child in root} == {"id-title": "Title", "id-desc": "Words"}
