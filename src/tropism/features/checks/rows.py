"""Rules on one row, as it is pushed. What a rule says of a row is what it says of it in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tropism.core.errors import Fault, InvalidInput
from tropism.features.checks.columns import is_missing, kind_of_value
from tropism.features.checks.comparing import value_in, value_out_of_range
from tropism.features.checks.patterns import text_matches, whole
from tropism.features.checks.predicates import fails
from tropism.features.checks.reports import shown
from tropism.features.checks.rules import AnyRule, Matches, OneOf, Range


class Failure(NamedTuple):
    """A rule that a row fails, and the value as an example has it."""

    rule: AnyRule
    value: str


def check_row(row: Mapping[str, Any], rules: Sequence[AnyRule]) -> tuple[dict[str, Any] | None, tuple[Failure, ...]]:
    """The row as it may go on, None if it may not, and the rules that it fails.

    Rules on tables (`null_rate`, `unique`, `fresh`) are left out. Where a failure's policy is `stop`, nothing that was
    sent along may go on either: that is the caller's to see to.

    Raises:
        InvalidInput: a rule's column is not in the row, or has a value of another type; a custom function failed.
        SettingInvalid, MissingExtra: as `predicates.fails`.

    >>> from tropism.features.checks import rule
    >>> check_row({"amount": -1.0}, [rule.range("amount", 0, policy="null")])[0]
    {'amount': None}
    """
    failures = [Failure(one, shown(row[one.column])) for one in rules if one.of_rows and _fails(row, one)]
    policies = {failure.rule.policy for failure in failures}
    if policies & {"stop", "reject"}:
        return None, tuple(failures)
    nulls = {failure.rule.column: None for failure in failures if failure.rule.policy == "null"}
    return {**row, **nulls}, tuple(failures)


def _fails(row: Mapping[str, Any], rule: AnyRule) -> bool:
    if rule.column not in row:
        fix = f"send it, or null; there is: {', '.join(map(str, row))[:200]}"
        raise InvalidInput(f"the rule {rule.title} has no value", Fault(rule.column, "missing", fix))
    value = row[rule.column]
    if is_missing(value):
        return False
    kind = kind_of_value(value)
    # Moments are whole numbers of µs in rows.
    if rule.wants and kind not in rule.wants and not (kind == "integer" and rule.wants == ("time",)):
        fault = Fault(rule.column, shown(value), f"send one of: {', '.join(rule.wants)}")
        raise InvalidInput(f"the rule {rule.title} is for another type", fault)
    if isinstance(rule, Range):
        return value_out_of_range(value, rule)
    if isinstance(rule, OneOf):
        return not value_in(value, rule)
    if isinstance(rule, Matches):
        return not text_matches(value, whole(rule.pattern))
    return fails(rule)(value)  # type: ignore[arg-type]  # rules on tables do not come here
