"""The rules of a stream on one event, as it was read."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism.core.clock import iso
from tropism.core.faults import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tropism.features.checks.rows import Failure
    from tropism.features.sources import StreamSource

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
Row = tuple[Any, ...]
Failed = tuple[str, str, str]
"""As `core.events.Push.failures` has it."""


class Verdict(NamedTuple):
    """`row`: as it may go on, None if it may not. `failures`: for the journal.

    `refused`, `stopped`: the title of the rule that keeps the event out, or everything; and the value.
    """

    row: Row | None
    failures: Sequence[Failed] = ()
    refused: tuple[str, str] | None = None
    stopped: Sequence[tuple[str, str, str]] = ()
    """Of each such rule: its column, its title, the value."""


class Judge:
    """The rules on values of a stream. `needed`: columns that are never null: where a rule takes out such a value, its
    event is left out."""

    def __init__(self, source: StreamSource, names: Sequence[str], needed: Collection[str]) -> None:
        self._rules = tuple(rule for rule in source.rules if rule.of_rows)
        self._texts = {id(rule): msgspec.json.encode(rule).decode() for rule in self._rules}
        self._needed = frozenset((*needed, source.created))
        self._created = source.created
        columns = {rule.column for rule in self._rules}
        self._on_arrival = source.created in columns
        self._columns = [
            (place, name, _for_rules(source.schema[name])) for place, name in enumerate(names) if name in columns
        ]
        self._places = {name: place for place, name, _ in self._columns}

    def __bool__(self) -> bool:
        return bool(self._rules)

    def judge(self, event: Mapping[str, Any], row: Row, now: int) -> Verdict:
        """What the rules say of an event, from its row; `event`: as it was sent.

        Raises:
            InvalidInput: a rule is for another type than its column's; a custom function failed.
            SettingInvalid, MissingExtra: as `checks.predicates.fails`.
        """
        from tropism.features.checks.rows import check_row

        values = {name: None if row[place] is None else convert(row[place]) for place, name, convert in self._columns}
        if self._on_arrival:
            values[self._created] = _moment(now)
        _, failures = check_row(values, self._rules)
        if not failures:
            return Verdict(row)
        return self._followed(event, row, failures, now)

    def _followed(self, event: Mapping[str, Any], row: Row, failures: Sequence[Failure], now: int) -> Verdict:
        found, stopped, refused, changed = [], [], None, list(row)
        for rule, _ in failures:
            value = iso(now) if rule.column == self._created else shown(event.get(rule.column))
            found.append((self._texts[id(rule)], rule.policy, value))
            if rule.policy == "stop":
                stopped.append((rule.column, rule.title, value))
            elif rule.policy == "reject" or (rule.policy == "null" and rule.column in self._needed):
                refused = refused or (rule.title, value)
            elif rule.policy == "null":
                changed[self._places[rule.column]] = None
        kept = None if refused or stopped else tuple(changed)
        return Verdict(kept, found, refused, stopped)


def _for_rules(type_name: str) -> Callable[[Any], Any]:
    """A value of a row as rules see it in a table: moments as datetimes, decimals exact."""
    if type_name == "time":
        return _moment
    return decimal.Decimal if type_name.startswith("decimal") else _itself


def _moment(at: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=at)


def _itself(value: Any) -> Any:
    return value
