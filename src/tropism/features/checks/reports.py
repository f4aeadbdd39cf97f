"""What a check found: counts and a few examples for each rule, stored as JSON."""

from __future__ import annotations

import msgspec

from tropism.core.errors import Fault
from tropism.features.checks.rules import AnyRule

EXAMPLES = 5


class Example(msgspec.Struct, frozen=True):
    """A value that failed, as Python writes it, cut to 80 characters, and its row's position in the table."""

    row: int
    value: str


class RuleReport(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. `rows`: that were seen. `failures`: rows that failed (for a null rate: nulls; for freshness: 0 or 1).

    `broken`: whether its policy is to be followed: some row failed, or the table as a whole did.
    """

    rule: AnyRule
    rows: int
    failures: int
    broken: bool
    examples: tuple[Example, ...] = ()

    @property
    def fault(self) -> Fault:
        """For an error's message: where the first failure is, and of how many."""
        first = f"{self.examples[0].value} in row {self.examples[0].row}" if self.examples else "no rows"
        return Fault(self.rule.column, first, f"{self.failures} of {self.rows} rows fail {self.rule.title}; mend them")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A table's check. `kept`: rows that went through. `stopped`: a rule of policy `stop` is broken."""

    rules: tuple[RuleReport, ...]
    rows: int
    kept: int
    stopped: bool

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Of the rules that stopped it."""
        return tuple(one.fault for one in self.rules if one.broken and one.rule.policy == "stop")


def shown(value: object) -> str:
    """A value as an example has it.

    >>> shown("x" * 100)[-3:]
    '...'
    """
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
