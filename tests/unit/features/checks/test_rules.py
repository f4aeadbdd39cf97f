from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tropism.core.errors import InvalidInput
from tropism.features.checks import AnyRule, rule

MOMENT = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def refused(make: Callable[[], object]) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        make()
    assert all(fault.fix for fault in caught.value.faults)
    return [fault.field for fault in caught.value.faults]


def test_rules_are_stored_as_json_and_come_back() -> None:
    rules: tuple[AnyRule, ...] = (
        rule.range("amount", 0, 1e6, policy="reject", exclusive_minimum=True),
        rule.range("at", MOMENT),
        rule.one_of("currency", {"USD", "EUR"}, policy="null"),
        rule.one_of("flag", [True]),
        rule.matches("iban", "[A-Z]{2}[0-9]+"),
        rule.json_schema("payload", {"type": "object", "required": ["id"]}),
        rule.custom("card", "luhn"),
        rule.null_rate("amount", 0.05, policy="stop"),
        rule.unique("account", "at", policy="reject"),
        rule.fresh("at", "2d", policy="stop"),
    )
    stored = msgspec.json.encode(rules)
    assert msgspec.json.decode(stored, type=tuple[AnyRule, ...]) == rules
    assert b'"rule":"range"' in stored


def test_a_set_is_stored_the_same_each_time() -> None:
    assert rule.one_of("a", {"x", "y", "z"}) == rule.one_of("a", {"z", "y", "x"})


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: rule.range("a"), "minimum"),
        (lambda: rule.range("a", 2, 1), "maximum"),
        (lambda: rule.range("a", 1, 1, exclusive_maximum=True), "maximum"),
        (lambda: rule.range("a", float("nan")), "minimum"),
        (lambda: rule.range("a", None, float("inf")), "maximum"),
        (lambda: rule.range("a", True), "minimum"),
        (lambda: rule.range("a", 10**30), "minimum"),
        (lambda: rule.range("a", 0, MOMENT), "maximum"),
        (lambda: rule.range("", 0), "column"),
        (lambda: rule.range("a", 0, policy="drop"), "policy"),
        (lambda: rule.one_of("a", []), "values"),
        (lambda: rule.one_of("a", ["x", 1]), "values"),
        (lambda: rule.one_of("a", [True, 1]), "values"),
        (lambda: rule.one_of("a", [float("nan")]), "values"),
        (lambda: rule.one_of("a", [None]), "values"),
        (lambda: rule.one_of("a", None), "values"),
        (lambda: rule.unique("a", ["b"]), "others"),  # type: ignore[arg-type]
        (lambda: rule.fresh("a", 5), "within"),  # type: ignore[arg-type]
        (lambda: rule.range("a", "0"), "minimum"),  # type: ignore[arg-type]
        (lambda: rule.json_schema("a", True), "schema"),  # type: ignore[arg-type]
        (lambda: rule.matches("a", None), "pattern"),  # type: ignore[arg-type]
        (lambda: rule.matches("a", "(x"), "pattern"),
        (lambda: rule.matches("a", "a)(b"), "pattern"),
        (lambda: rule.matches("a", r"\Qx"), "pattern"),
        (lambda: rule.matches("a", r"(a)\1"), "pattern"),
        (lambda: rule.matches("a", "x" * 1_001), "pattern"),
        (lambda: rule.null_rate("a", 1.0), "most"),
        (lambda: rule.null_rate("a", -0.1), "most"),
        (lambda: rule.null_rate("a", 0.1, policy="null"), "policy"),
        (lambda: rule.null_rate("a", 0.1, policy="reject"), "policy"),
        (lambda: rule.unique("a", policy="null"), "policy"),
        (lambda: rule.unique("a", "a"), "others"),
        (lambda: rule.fresh("a", "1d", policy="reject"), "policy"),
        (lambda: rule.fresh("a", "soon"), "within"),
        (lambda: rule.fresh("a", "0"), "within"),
        (lambda: rule.custom("a", ""), "name"),
        (lambda: rule.json_schema("a", {"type": "thing"}), "schema"),
        (lambda: rule.json_schema("a", {"x": object()}), "schema"),
        (lambda: rule.json_schema("a", {"$ref": "https://example.org/schema"}), "schema.$ref"),
        (lambda: rule.json_schema("a", {"$ref": "#/$defs/gone"}), "schema.$ref"),
        (lambda: rule.json_schema("a", {"properties": {"b": {"$id": "c"}}}), "schema.$id"),
        (lambda: rule.json_schema("a", {"patternProperties": {"a": {}}}), "schema.patternProperties"),
        (lambda: rule.json_schema("a", {"items": {"pattern": "(?=a)"}}), "schema.pattern"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], Any], field: str) -> None:
    assert field in refused(make)


def test_a_moment_without_a_zone_is_in_utc() -> None:
    assert rule.range("at", MOMENT.replace(tzinfo=None)) == rule.range("at", MOMENT)
