from __future__ import annotations

from tropism.registry.comparison import Difference, differences


def test_equal_values_do_not_differ() -> None:
    assert differences({"a": {"b": [1, 2]}, "c": {}}, {"c": {}, "a": {"b": [1, 2]}}) == ()


def test_what_only_one_side_has_is_none_on_the_other() -> None:
    assert differences({"a": 1}, {"b": {"c": 2}}) == (Difference("a", 1, None), Difference("b.c", None, 2))


def test_named_things_are_compared_by_name() -> None:
    before = {"inputs": [{"name": "x", "type": "number"}, {"name": "y", "type": "number"}]}
    after = {"inputs": [{"name": "new", "type": "number"}, {"name": "y", "type": "category"}, before["inputs"][0]]}
    assert differences(before, after) == (
        Difference("inputs.new.type", None, "number"),
        Difference("inputs.y.type", "number", "category"),
    )
