"""Reads the figures by name that an outcome carries beside its label, or instead of one: revenue, clicks, a rating."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from tropism.core.errors import InvalidOutcome
from tropism.core.faults import shown
from tropism.core.metric import SOURCES, is_name

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.serving.fields import Fields

MOST = 32
"""Figures of one outcome."""
LARGEST = 1e75
"""Its square is a number still."""


def told(fields: Fields, task: Task) -> dict[str, float] | None:
    """The figures of an outcome, true as 1 and false as 0; empty where it has none.

    None where one cannot be used: every fault is noted.
    """
    given = fields.element.get("values")
    if given is None:
        return {}
    if not isinstance(given, dict):
        fields.refuse("values", "'values' is not a JSON object", 'send figures by name, such as {"revenue": 12.5}')
        return None
    if len(given) > MOST:
        where = f"{fields.where}values"
        fix = f"send at most {MOST} at a time; a second outcome may carry others"
        fields.faults.add(InvalidOutcome, f"{len(given)} values are too many", where, str(len(given)), fix)
        return None
    faults = [_refused(fields, task, name, value) for name, value in given.items()]
    return None if any(faults) else {name: float(value) for name, value in given.items()}


def _refused(fields: Fields, task: Task, name: str, value: Any) -> bool:
    where, said = f"{fields.where}values.{name[:64]}", shown(value)
    headline, fix = "", ""
    if not is_name(name):
        headline, fix = f"{shown(name)} is not a name", "use 1 to 64 of a-z, 0-9, '-' and '_'"
    elif name in SOURCES:
        headline, fix = f"'{name}' means something else in a metric", "use another name, such as 'revenue'"
    elif name in (*task.journal.redact, *task.journal.hash):
        headline = f"the journal policy of '{task.name}' keeps '{name}' out of the journal"
        fix = "leave it out, or name another figure so"
    elif not isinstance(value, (int, float)) or not _usable(value):
        headline, fix = f"'{name}' is not a number", "send a number between -1e75 and 1e75, true or false"
    if headline:
        fields.faults.add(InvalidOutcome, headline, where, said, fix)
    return bool(headline)


def _usable(value: float) -> bool:
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False
    return isfinite(number) and abs(number) < LARGEST
