"""Filter strings, and what they find."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from tropism.core.errors import InvalidInput
from tropism.registry.tracking import Metric
from tropism.registry.tracking.filters import Clause, parse_filter

if TYPE_CHECKING:
    from tropism.registry.tracking import Tracking


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("metrics.acc>0.5", Clause("metrics", "acc", ">", 0.5)),
        ("metrics.`val acc` <= -1e-3", Clause("metrics", "val acc", "<=", -0.001)),
        ('tags."a.b" = "x"', Clause("tags", "a.b", "=", "x")),
        ("tags.mlflow.user = 'it''s'", Clause("tags", "mlflow.user", "=", "it's")),
        ("run_id IN ('a', 'b')", Clause("", "run_id", "IN", ("a", "b"))),
        ("params.a is not null", Clause("params", "a", "IS NOT NULL", None)),
        ("start_time >= 17", Clause("", "start_time", ">=", 17)),
    ],
)
def test_a_condition_is_read(text: str, clause: Clause) -> None:
    assert parse_filter(text) == (clause,)


@pytest.mark.parametrize(
    "text", ["a", "a =", "= 1", "a = 'b' OR c = 'd'", "a = 'b", "a IN ()", "a = b", "(a = 'b')", "`` = 1"]
)
def test_what_is_no_filter_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_filter(text)
    assert caught.value.faults[0].field == "filter"


def _three(tracking: Tracking) -> None:
    for name, value, kind in (("a", 0.1, "Tree"), ("b", 0.9, "tree*"), ("c", math.nan, "line")):
        run_id = tracking.runs.create("0", 1, name=name, started_at=ord(name) * 1_000).info.id
        tracking.batches.log(run_id, metrics=[Metric(key="m", value=value, at=1)], params=[("kind", kind)])
    tracking.runs.create("0", 1, name="d", started_at=0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "cbad"),
        ("metrics.m > 0.1", "b"),
        ("metrics.m != 0.9", "ca"),
        ("params.kind LIKE 'tree%'", "b"),
        ("params.kind LIKE '%*'", "b"),
        ("params.kind ILIKE 'TREE_'", "b"),
        ("params.kind ILIKE 'tree'", "a"),
        ("params.kind IS NULL", "d"),
        ("attributes.start_time < 98", "ad"),
        ("run_name IN ('a', 'd') and status = 'RUNNING'", "ad"),
        ("run_name != 'a'", "cbd"),
    ],
)
def test_a_search_finds_what_fits(tracking: Tracking, text: str, found: str) -> None:
    _three(tracking)
    assert "".join(run.info.name for run in tracking.search.find(["0"], text)) == found


@pytest.mark.parametrize(
    ("order", "found"), [("metrics.m ASC", "abcd"), ("metrics.m DESC", "bacd"), ("run_name", "abcd")]
)
def test_what_has_no_value_comes_last(tracking: Tracking, order: str, found: str) -> None:
    _three(tracking)
    assert "".join(run.info.name for run in tracking.search.find(["0"], orders=[order])) == found


def test_runs_of_a_deleted_experiment_are_found_among_deleted_ones(tracking: Tracking) -> None:
    made = tracking.experiments.create("a", 1)
    tracking.runs.create(made, 1)
    tracking.experiments.delete(made, 2)
    assert tracking.search.find([made]) == ()
    assert len(tracking.search.find([made], view="DELETED_ONLY")) == 1
    tracking.experiments.restore(made, 3)
    assert len(tracking.search.find([made])) == 1


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("nix = 'a'", "filter"),
        ("nix.a = 'b'", "filter"),
        ("metrics.a LIKE 'b'", "metrics.a"),
        ("run_id > 'a'", "run_id"),
    ],
)
def test_what_cannot_be_compared_is_named(tracking: Tracking, text: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        tracking.search.find(["0"], text)
    assert field in caught.value.faults[0].field
