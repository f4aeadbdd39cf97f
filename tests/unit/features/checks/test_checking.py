from __future__ import annotations

import datetime
import decimal
import importlib.metadata
import sys
import time
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from tropism.core import plugins
from tropism.core.errors import DataInvalid, InvalidInput, MissingExtra, SettingInvalid
from tropism.features.checks import AnyRule, rule
from tropism.features.checks.checking import check
from tropism.features.checks.reports import Report
from tropism.features.checks.rows import check_row

DAY = 86_400_000_000
NOW = 20_000 * DAY


def even(value: int) -> bool:
    return value % 2 == 0


def unsure(value: object) -> object:
    return "perhaps"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        name: importlib.metadata.EntryPoint(name, f"{__name__}:{name}", "tropism.checks") for name in ("even", "unsure")
    }
    group = plugins._group
    monkeypatch.setattr(plugins, "_group", lambda name: points if name == "tropism.checks" else group(name))


def failing(values: Any, *rules: AnyRule) -> list[int]:
    """Rows that are taken out."""
    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    table = pa.table({"a": column, "row": range(len(column))})
    rejecting: list[Any] = [msgspec.structs.replace(one, policy="reject") for one in rules]
    kept = check(table, rejecting, NOW).table
    return sorted(set(range(len(column))) - set(kept["row"].to_pylist()))


def test_each_policy_does_what_it_says() -> None:
    table = pa.table({"a": [1, -1, 5, None], "b": ["x", "y", "z", None]})
    warned = check(table, [rule.range("a", 0)], NOW)
    assert warned.table.equals(table)
    assert warned.report.rules[0].failures == 1
    nulled = check(table, [rule.range("a", 0, policy="null")], NOW)
    assert nulled.table["a"].to_pylist() == [1, None, 5, None]
    assert nulled.table.schema.equals(table.schema)
    rejected = check(table, [rule.range("a", 0, policy="reject"), rule.one_of("b", ["x", "y"], policy="reject")], NOW)
    assert rejected.table.to_pylist() == [{"a": 1, "b": "x"}, {"a": None, "b": None}]
    assert (rejected.report.rows, rejected.report.kept, rejected.report.stopped) == (4, 2, False)
    stopped = check(table, [rule.range("a", 0, policy="reject"), rule.range("a", 0, 4, policy="stop")], NOW)
    assert stopped.report.stopped
    assert stopped.table.num_rows == 0
    assert stopped.table.schema == table.schema
    assert stopped.report.faults[0].field == "a"
    assert "2 of 4 rows" in stopped.report.faults[0].fix


def test_every_rule_sees_the_table_as_it_came() -> None:
    table = pa.table({"a": [1.0, -1.0, -2.0, 4.0]})
    rules: list[AnyRule] = [
        rule.range("a", 0, policy="null"),
        rule.null_rate("a", 0.0, policy="stop"),
        rule.one_of("a", [1.0, 4.0]),
    ]
    report = check(table, rules, NOW).report
    assert not report.stopped
    assert [one.failures for one in report.rules] == [2, 0, 2]


def test_a_report_has_up_to_five_examples_and_is_stored() -> None:
    report = check(pa.table({"a": ["x" * 200] * 9 + ["good"]}), [rule.one_of("a", ["good"])], NOW).report
    found = report.rules[0]
    assert (found.rows, found.failures) == (10, 9)
    assert [one.row for one in found.examples] == [0, 1, 2, 3, 4]
    assert len(found.examples[0].value) == 80
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_missing_values_fail_no_rule_on_values() -> None:
    assert failing([None, float("nan"), -1.0], rule.range("a", 0)) == [2]
    assert failing([None, "b"], rule.one_of("a", ["a"])) == [1]
    assert failing([None, "b"], rule.matches("a", "a")) == [1]
    assert failing(pa.nulls(3), rule.range("a", 0), rule.one_of("a", ["a"]), rule.custom("a", "even")) == []
    assert failing([None, 3, 4, None, 3], rule.custom("a", "even")) == [1, 4]


def test_bounds_are_exact_in_every_type() -> None:
    big = 2**53
    assert failing([big, big + 1, big + 2], rule.range("a", big + 1, big + 1)) == [0, 2]
    assert failing([0, 1, 2], rule.range("a", 0.5, 1.5)) == [0, 2]
    assert failing([0, 1, 2], rule.range("a", 0, 2, exclusive_minimum=True, exclusive_maximum=True)) == [0, 2]
    assert failing([-5, 5], rule.range("a", 1e300)) == [0, 1]
    assert failing([-5, 5], rule.range("a", -1e300, 1e300)) == []
    assert failing(pa.array([0, 2**64 - 1], pa.uint64()), rule.range("a", 0, 2**63 - 1)) == [1]
    money = pa.array([decimal.Decimal(text) for text in ("0.09", "0.10", "0.11")], pa.decimal128(38, 2))
    assert failing(money, rule.range("a", 0.1, 0.1)) == [0, 2]
    assert failing(money, rule.range("a", 0.099, 0.101)) == [0, 2]
    assert failing(money, rule.one_of("a", [0.1, 0.105])) == [0, 2]
    assert failing(pa.array([decimal.Decimal("9.99")], pa.decimal128(3, 2)), rule.range("a", 0, 1e30)) == []
    moments = pa.array([0, DAY, 2 * DAY], pa.timestamp("us", "UTC"))
    assert failing(moments, rule.range("a", datetime.datetime(1970, 1, 2, tzinfo=datetime.UTC))) == [0]
    assert failing(pa.array([0.0, -0.0, 1.0]), rule.one_of("a", [0])) == [2]
    assert failing(pa.array([0.0, -0.0, 1.0]), rule.one_of("a", [-0.0])) == [2]
    assert failing(pa.array([float("inf"), 1.0]), rule.range("a", 0, 1e308)) == [0]


def test_columns_of_every_form_are_read() -> None:
    coded = pa.array(["x", "y", None, "x"]).dictionary_encode()
    assert failing(coded, rule.one_of("a", ["x"])) == [1]
    assert failing(coded, rule.matches("a", "x")) == [1]
    table = check(pa.table({"a": coded}), [rule.one_of("a", ["x"], policy="null")], NOW).table
    assert table["a"].to_pylist() == ["x", None, None, "x"]
    assert table["a"].type == coded.type
    assert failing(pa.chunked_array([["x"], [], ["y", "x"]]), rule.one_of("a", ["x"])) == [1]
    assert failing(pa.array(["x", "y"], pa.large_string()), rule.one_of("a", ["x"])) == [1]
    assert failing(pa.array([], pa.float64()), rule.range("a", 0), rule.unique("a")) == []
    vectors = pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2))
    with pytest.raises(InvalidInput, match="failed itself"):
        failing(vectors, rule.custom("a", "even"))


def test_text_matches_as_a_whole_and_no_pattern_hangs() -> None:
    assert failing(["ab", "abc", "ab\n", "", "AB"], rule.matches("a", "a|ab")) == [1, 2, 3, 4]
    started = time.process_time()
    assert failing(["a" * 50_000 + "!"], rule.matches("a", "(a+)+")) == [0]
    assert check_row({"a": "a" * 50_000 + "!"}, [rule.matches("a", "(a|a)*", policy="reject")])[0] is None
    assert time.process_time() - started < 30  # backtracking would take longer than anybody lives


def test_documents_are_valid_against_their_schema() -> None:
    schema = {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string", "pattern": "^[a-z]+$"}, "sub": {"$ref": "#/$defs/sub"}},
        "$defs": {"sub": {"properties": {"n": {"maximum": 3}, "sub": {"$ref": "#/$defs/sub"}}}},
    }
    documents = [
        '{"id": "a"}',
        '{"id": 1}',
        "{}",
        "not json",
        "",
        '{"id": "A"}',
        None,
        '{"id": "a", "sub": {"sub": {"n": 4}}}',
        '{"id":' * 100_000,
    ]
    assert failing(documents, rule.json_schema("a", schema)) == [1, 2, 3, 4, 5, 7, 8]
    assert failing(["[]", "1"], rule.json_schema("a", {"$ref": "#"})) == [0, 1]  # without end
    hanging = rule.json_schema("a", {"items": {"pattern": "^(a+)+$"}})
    assert failing([msgspec.json.encode(["a" * 5_000 + "!"]).decode()], hanging) == [0]


def test_without_the_package_schemas_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(MissingExtra, match="jsonschema"):
        rule.json_schema("a", {})


def test_a_null_rate_is_of_the_table() -> None:
    table = pa.table({"a": [1.0, None, float("nan"), 4.0]})
    for most, broken in ((0.5, False), (0.49, True)):
        checked = check(table, [rule.null_rate("a", most, policy="stop")], NOW)
        found = checked.report.rules[0]
        assert (found.failures, found.broken, checked.report.stopped) == (2, broken, broken)
    assert not check(table.slice(0, 0), [rule.null_rate("a", 0.0, policy="stop")], NOW).report.stopped


def test_of_equal_rows_the_first_stays() -> None:
    assert failing([3, 1, 3, None, None, 1, 2], rule.unique("a")) == [2, 5]
    table = pa.table({"k": ["a", "a", "b", "a", None], "at": pa.array([1, 2, 1, 1, 1], pa.timestamp("us", "UTC"))})
    checked = check(table, [rule.unique("k", "at", policy="reject")], NOW)
    assert checked.table.num_rows == 4
    assert checked.report.rules[0].examples[0].row == 3
    with pytest.raises(DataInvalid):
        check(pa.table({"a": [[1.0]]}), [rule.unique("a")], NOW)


@pytest.mark.parametrize(
    ("newest", "broken"), [(NOW - DAY, False), (NOW - DAY - 1, True), (NOW + DAY, False), (None, True)]
)
def test_freshness_is_of_the_newest(newest: int | None, broken: bool) -> None:
    times = pa.array([newest, None, None if newest is None else newest - 5 * DAY], pa.timestamp("us", "UTC"))
    report = check(pa.table({"at": times}), [rule.fresh("at", "1d", policy="stop")], NOW).report
    assert (report.stopped, report.rules[0].failures) == (broken, int(broken))
    assert [one.row for one in report.rules[0].examples] == ([0] if broken and newest is not None else [])


@pytest.mark.parametrize(
    "wrong",
    [
        rule.range("gone", 0),
        rule.range("text", 0),
        rule.range("number", datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)),
        rule.range("time", 0),
        rule.range("flag", 0),
        rule.one_of("text", [1]),
        rule.one_of("number", ["a"]),
        rule.one_of("number", [True]),
        rule.matches("number", "a"),
        rule.json_schema("number", {}),
        rule.fresh("number", "1d"),
        rule.unique("text", "gone"),
        rule.null_rate("twice", 0.1),
    ],
)
def test_a_rule_on_what_is_not_there_or_of_another_type_is_an_error(wrong: AnyRule) -> None:
    arrays = [["x"], [1.0], pa.array([1], pa.timestamp("us", "UTC")), [True], [1], [2]]
    table = pa.table([pa.array(one) for one in arrays], ["text", "number", "time", "flag", "twice", "twice"])
    with pytest.raises(DataInvalid) as caught:
        check(table, [wrong], NOW)
    assert caught.value.faults[0].field in ("gone", wrong.column)
    assert caught.value.faults[0].fix


def test_a_custom_function_that_is_not_there_or_fails_is_an_error() -> None:
    with pytest.raises(SettingInvalid, match="lun"):
        failing([1], rule.custom("a", "lun"))
    with pytest.raises(InvalidInput, match="failed itself"):
        failing(["x"], rule.custom("a", "even"))
    with pytest.raises(InvalidInput, match="did not answer"):
        failing(["x"], rule.custom("a", "unsure"))


def test_many_rules_agree_with_one_value_after_the_other() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(0, 10, 5_000).round(1)
    found = failing(values, rule.range("a", -5, 5), rule.range("a", 0.1, exclusive_minimum=True))
    assert found == [place for place, value in enumerate(values) if not -5 <= value <= 5 or not value > 0.1]
