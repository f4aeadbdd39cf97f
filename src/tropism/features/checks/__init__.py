"""Rules that values of features keep to, checked at push, at materialise and at training-set time.

What is declared stands here; `checking.check` takes a table, `rows.check_row` one row.
"""

from __future__ import annotations

from tropism.features.checks.rules import (
    AnyRule,
    Custom,
    Fresh,
    JsonSchema,
    Matches,
    NullRate,
    OneOf,
    Policy,
    Range,
    Unique,
    rule,
)

__all__ = [
    "AnyRule",
    "Custom",
    "Fresh",
    "JsonSchema",
    "Matches",
    "NullRate",
    "OneOf",
    "Policy",
    "Range",
    "Unique",
    "rule",
]
