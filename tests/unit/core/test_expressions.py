"""Conditions: read back as they were written, and unknown where a figure is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.core.expression_text import parse
from tropism.core.expressions import (
    Arithmetic,
    Comparison,
    Condition,
    Logical,
    Metric,
    Negative,
    Not,
    Number,
    Value,
    metrics,
    truth,
    walk,
)

_METRICS = (Metric("loss"), Metric("mae", "city = 'Bern'"), Metric("predictions", 'size="L"'), Metric("throughput"))
_NUMBERS = st.builds(Number, st.floats(0, 1e12), st.sampled_from(["", "%", "k", "M"]))
_VALUES: st.SearchStrategy[Value] = st.recursive(
    st.sampled_from(_METRICS) | _NUMBERS,
    lambda below: (
        st.builds(Negative, below) | st.builds(Arithmetic, st.sampled_from(["+", "-", "*", "/"]), below, below)
    ),
    max_leaves=4,
)
_COMPARISONS = st.builds(Comparison, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), _VALUES, _VALUES)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    _COMPARISONS.filter(lambda one: bool(metrics(one))),
    lambda below: st.builds(Not, below) | st.builds(Logical, st.sampled_from(["and", "or"]), below, below),
    max_leaves=4,
)
_FACTS = st.fixed_dictionaries({one.key: st.none() | st.floats(-1e6, 1e6) for one in _METRICS})


@given(CONDITIONS)
def test_a_condition_reads_back_as_it_was_written(condition: Condition) -> None:
    assert parse(str(condition)) == condition


@given(CONDITIONS, _FACTS, st.floats(-1e6, 1e6))
def test_what_is_known_stays_so_whatever_the_missing_figures_turn_out_to_be(
    condition: Condition, facts: dict[str, float | None], filler: float
) -> None:
    before = truth(condition, facts)
    filled = {key: filler if value is None else value for key, value in facts.items()}
    assert before is None or truth(condition, filled) == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accuracy < 85%", True),
        ("accuracy >= 0.85", False),
        ("accuracy == 80% and accuracy != 0.81", True),
        ("not accuracy < 0.85", False),
        ("latency_p95 > 500ms", True),
        ("latency_p95 > 1s", False),
        ("freshness >= 2h and freshness < 3h", True),
        ("freshness > 1d or freshness > 119m", True),
        ("predictions > 1k and predictions < 1M", True),
        ("loss > 1.2 * baseline_loss", True),
        ("loss - baseline_loss * 2 < 0", True),
        ("(loss - baseline_loss) * 2 < 0", False),
        ("-loss < -0.2", True),
        ("drift('age') > 0.8", True),
        ("drift('sex') > 0.8", None),
        ("drift > 0.8", None),
        ("not drift > 0.8", None),
        ("drift > 0.8 and accuracy > 0.9", False),
        ("drift > 0.8 or accuracy < 0.9", True),
        ("drift > 0.8 or accuracy > 0.9", None),
        ("drift > 0.8 and accuracy < 0.9", None),
        ("loss / cost > 1", None),
        ("gpu > 1", None),
        ("cpu - cpu < 1", None),
    ],
)
def test_conditions_over_facts(text: str, expected: bool | None) -> None:
    facts: dict[str, float | None] = {"accuracy": 0.8, "latency_p95": 0.7, "freshness": 7_200, "predictions": 2_000}
    facts |= {"loss": 0.3, "baseline_loss": 0.2, "drift:age": 0.9, "drift": None, "cost": 0, "gpu": math.nan}
    assert truth(parse(text), facts | {"cpu": math.inf}) is expected


def test_a_tree_is_walked_in_reading_order() -> None:
    condition = parse("not (drift('age') > 0.8 and loss > 2 * baseline_loss)")
    names = [node.key for node in walk(condition) if isinstance(node, Metric)]
    assert names == ["drift:age", "loss", "baseline_loss"]
    assert metrics(condition) == set(names)
