from __future__ import annotations

import datetime
import decimal
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import InvalidInput
from tropism.features.checks import AnyRule, rule
from tropism.features.checks.checking import check
from tropism.features.checks.rows import check_row
from tropism.features.types import dtype

UTC = datetime.UTC
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
numbers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
small = st.one_of(st.integers(-3, 3), st.sampled_from([0.1, 0.5, -0.0, 2.5, 1e300, -1e300, 2.0**53, 2**53 + 1]))
bounds = st.one_of(small, numbers)
values: dict[str, st.SearchStrategy[Any]] = {
    "number": st.one_of(st.floats(), st.integers(-3, 3).map(float), st.just(2.0**53), st.just(0.1)),
    "integer": st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-3, 3), st.just(2**53 + 1)),
    "decimal(2)": st.decimals(-(10**6), 10**6, places=2),
    "text": st.text(alphabet="ab\n", max_size=4),
    "boolean": st.booleans(),
    "time": st.integers(-(10**12), 10**12).map(lambda at: EPOCH + datetime.timedelta(microseconds=at)),
}
policies = st.sampled_from(["warn", "null", "reject"])


@st.composite
def ranges(draw: st.DrawFn, kind: str) -> AnyRule:
    edge = values["time"] if kind == "time" else bounds
    low, high = sorted((draw(edge), draw(edge)))
    bare = draw(st.sampled_from(["both", "low", "high"])) if low < high else "both"
    exclusive = low < high and draw(st.booleans())
    return rule.range(
        "a",
        None if bare == "high" else low,
        None if bare == "low" else high,
        exclusive_minimum=exclusive and bare != "high",
        exclusive_maximum=exclusive and bare != "low",
        policy=draw(policies),
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, list[Any], list[AnyRule]]:
    kind = draw(st.sampled_from(sorted(values)))
    column = draw(st.lists(st.one_of(st.none(), values[kind]), max_size=6))
    policy = draw(policies)
    if kind == "text":
        patterns = st.sampled_from(["a*", "a|ab", "(a|b)+", "[^a]", ".*", "(?s).*", "$", "a$"])
        one = draw(st.sampled_from([0, 1]))
        texts = st.lists(values["text"], min_size=1, max_size=3)
        if one:
            return kind, column, [rule.matches("a", draw(patterns), policy=policy)]
        return kind, column, [rule.one_of("a", draw(texts), policy=policy)]
    if kind == "boolean":
        return kind, column, [rule.one_of("a", [draw(st.booleans())], policy=policy)]
    rules = draw(st.lists(ranges(kind), min_size=1, max_size=2))
    if kind != "time":
        rules.append(rule.one_of("a", draw(st.lists(bounds, min_size=1, max_size=4)), policy=policy))
    return kind, column, rules


@settings(max_examples=400, deadline=None)
@given(cases())
def test_a_row_and_a_table_are_judged_alike(case: tuple[str, list[Any], list[AnyRule]]) -> None:
    kind, column, rules = case
    table = pa.table({"a": pa.array(column, dtype(kind).arrow())})
    checked = check(table, rules, now=0)
    kept: list[Any] = []
    failures = [0] * len(rules)
    for value in table["a"].to_pylist():
        row, failed = check_row({"a": value}, rules)
        kept += [row] if row is not None else []
        for place, one in enumerate(rules):
            failures[place] += any(failure.rule is one for failure in failed)
    assert [one.failures for one in checked.report.rules] == failures
    assert repr(checked.table.to_pylist()) == repr(kept)


def test_a_row_goes_on_or_does_not() -> None:
    low = rule.range("a", 0)
    row = {"a": -1, "b": "x"}
    assert check_row(row, [low])[0] == row
    assert check_row(row, [msgspec.structs.replace(low, policy="null")])[0] == {"a": None, "b": "x"}
    assert row == {"a": -1, "b": "x"}
    for policy in ("reject", "stop"):
        strict = rule.range("a", 0, policy=policy)
        kept, failures = check_row(row, [low, strict])
        assert kept is None
        assert [(one.rule.policy, one.value) for one in failures] == [("warn", "-1"), (policy, "-1")]
    assert check_row(row, [rule.unique("a"), rule.fresh("z", "1d"), rule.null_rate("a", 0)]) == (row, ())


def test_moments_of_rows_may_be_numbers() -> None:
    new_year = rule.range("at", datetime.datetime(2024, 1, 1, tzinfo=UTC), policy="reject")
    at = 1_704_067_200_000_000
    assert check_row({"at": at}, [new_year])[0]
    assert check_row({"at": at - 1}, [new_year])[0] is None
    assert check_row({"at": datetime.datetime(2023, 12, 31, tzinfo=UTC).replace(tzinfo=None)}, [new_year])[0] is None


@pytest.mark.parametrize(
    ("row", "one"),
    [
        ({"b": 1}, rule.range("a", 0)),
        ({"a": "1"}, rule.range("a", 0)),
        ({"a": True}, rule.range("a", 0)),
        ({"a": [1.0]}, rule.range("a", 0)),
        ({"a": 1.5}, rule.range("a", datetime.datetime(2024, 1, 1, tzinfo=UTC))),
        ({"a": 1}, rule.one_of("a", ["x"])),
        ({"a": True}, rule.one_of("a", [1])),
        ({"a": 1}, rule.matches("a", "x")),
        ({"a": {"b": 1}}, rule.json_schema("a", {})),
    ],
)
def test_a_missing_column_or_another_type_is_an_error(row: dict[str, Any], one: AnyRule) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_row(row, [one])
    assert caught.value.faults[0].field == "a"
    assert caught.value.faults[0].fix


def test_missing_values_of_any_form_pass() -> None:
    for value in (None, float("nan"), decimal.Decimal("nan"), decimal.Decimal("snan")):
        assert check_row({"a": value}, [rule.range("a", 0), rule.one_of("a", [1])])[1] == ()
