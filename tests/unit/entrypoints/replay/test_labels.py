from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tropism.core.errors import DataInvalid
from tropism.core.task import Feature, Task
from tropism.entrypoints.replay.labels import Target, outcome_of, read_target
from tropism.entrypoints.replay.source import read_source

Save = Callable[..., Path]


def target(save: Save, *cells: object, **options: Any) -> Target:
    lines = "".join(f'"{cell}",v\n' for cell in cells)
    source = read_source(save("y,name\n" + lines))
    return read_target(source, "y", options.get("kind"), options.get("classes"))


@pytest.mark.parametrize(
    ("cells", "positive"),
    [
        (("0", "1"), "1"),
        (("2", "10"), "10"),
        (("-1", "1"), "1"),
        (("no", "Yes"), "true"),
        (("False", "TRUE"), "true"),
        (("down", "up"), "up"),
        (("zero", "positive"), "positive"),
        (("<=50K", ">50K"), ">50K"),
    ],
)
def test_two_values_are_binary_and_the_positive_one_is_said(save: Save, cells: tuple[str, str], positive: str) -> None:
    read = target(save, *cells, cells[0])
    assert read.kind == "binary"
    assert read.labels.tolist() == [0.0, 1.0, 0.0]
    assert f"{positive} counts as positive (1 of 3 events)" in read.notes[0]


def test_three_texts_are_classes_in_order(save: Save) -> None:
    read = target(save, "b", "c", "a")
    assert (read.kind, read.names, read.labels.tolist()) == ("multiclass", ("a", "b", "c"), [1.0, 2.0, 0.0])


def test_few_whole_numbers_are_classes_in_the_order_of_numbers(save: Save) -> None:
    read = target(save, "10", "9", "2")
    assert (read.kind, read.names) == ("multiclass", ("2", "9", "10"))
    assert "--kind regression" in read.notes[0]


@pytest.mark.parametrize("cells", [("1.5", "2", "3"), tuple(str(i) for i in range(11))])
def test_other_numbers_are_regression(save: Save, cells: tuple[str, ...]) -> None:
    read = target(save, *cells)
    assert read.kind == "regression"
    assert read.labels.tolist() == [float(cell) for cell in cells]


def test_the_kind_that_is_asked_for_is_taken(save: Save) -> None:
    assert target(save, "0", "1", "2", kind="regression").kind == "regression"
    assert target(save, "0", "1", kind="multiclass").names == ("0", "1")
    assert target(save, *map(str, range(20)), kind="multiclass").kind == "multiclass"


def test_given_classes_set_the_order(save: Save) -> None:
    read = target(save, "up", "down", "up", classes=["up", "down"])
    assert (read.kind, read.labels.tolist()) == ("binary", [0.0, 1.0, 0.0])
    assert target(save, "a", "b", classes=["b", "a", "c"]).names == ("b", "a", "c")


@pytest.mark.parametrize(
    ("cells", "options", "problem", "fix"),
    [
        (("a", "a"), {}, "one class only", "two values"),
        (("1", "1"), {}, "one class only", "two values"),
        (("1", "1"), {"kind": "regression"}, "never changes", "nothing to learn"),
        (("1", "", "2"), {}, "line 3: y is the target and has no value", r"remove .*\(1 of 3 rows"),
        (tuple(f"c{i}" for i in range(101)), {}, "too many classes", "at most 100"),
        (tuple(range(101)), {"kind": "multiclass"}, "too many classes", "--kind regression"),
        (("0", "1", "2"), {"kind": "binary"}, "line 4: y is a third value", "--kind multiclass"),
        (("a", "b"), {"kind": "regression"}, "line 2: y is not a number", "--kind multiclass"),
        (("a", "b"), {"classes": ["a", "c"]}, "line 3: y is not one of the classes", "a, c"),
        (("1", "2", "x", "3"), {}, "line 4: y is not a number", "correct the cell"),
    ],
)
def test_a_target_that_cannot_be_used_is_refused_with_a_remedy(
    save: Save, cells: tuple[str, ...], options: dict[str, Any], problem: str, fix: str
) -> None:
    with pytest.raises(DataInvalid, match=problem) as caught:
        target(save, *cells, **options)
    assert re.search(fix, caught.value.faults[0].fix)


@pytest.mark.parametrize(
    ("kind", "names", "label"), [("binary", (), 1.0), ("multiclass", ("a", "b"), 1.0), ("regression", (), 2.5)]
)
def test_an_outcome_is_what_the_task_takes(kind: Any, names: tuple[str, ...], label: float) -> None:
    task = Task(name="t", kind=kind, target="y", features=(Feature("x"),), classes=names)
    assert task.label(outcome_of(kind, names, label)) == label
