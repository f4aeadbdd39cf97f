from __future__ import annotations

import pytest

from tropism.core.errors import InvalidInput, MissingFeature, UnknownFeature
from tropism.core.task import Task
from tropism.serving.tabular.columns import Layout, lay_out

ALL = ("amount", "country", "new", "size")


def test_columns_are_sorted_by_what_they_are_for(task: Task) -> None:
    found = lay_out(
        ["customer", "unit", "size", "new", "country", "amount", "x"], task, kept=["customer"], ignored=["x"]
    )
    assert found == Layout(ALL, ("colour", "weight"), ("unit",), ("customer",))
    assert found.present == (*ALL, "unit", "customer")


def test_a_star_stands_for_all_other_columns(task: Task) -> None:
    assert lay_out([*ALL, "x", "y", "at"], task, kept=["*"]).kept == ("x", "y")
    assert lay_out([*ALL, "x", "y"], task, ignored=["*"]).kept == ()
    assert lay_out([*ALL, "x", "y"], task, kept=["y"], ignored=["*"]).kept == ("y",)


def test_a_feature_may_be_kept_by_name(task: Task) -> None:
    found = lay_out([*ALL, "x"], task, kept=["amount", "*"])
    assert found.kept == ("amount", "x")
    assert found.present == (*ALL, "x")


def test_all_that_is_wrong_is_told_at_once(task: Task) -> None:
    with pytest.raises(InvalidInput) as caught:
        lay_out(["amuont", "size", "size", "new", "country"], task)
    assert [(one.field, one.fix) for one in caught.value.faults] == [
        ("size", "give every column a name of its own"),
        ("amuont", "did you mean 'amount'?"),
        ("amount", "add the column: numbers, or nothing where the value is not known"),
    ]


def test_one_kind_of_fault_has_its_own_error(task: Task) -> None:
    with pytest.raises(MissingFeature):
        lay_out(["amount", "new"], task)
    with pytest.raises(UnknownFeature):
        lay_out([*ALL, "zzz"], task)
