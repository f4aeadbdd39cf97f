"""The features of a task, compiled once into a reader of rows that is fast when nothing is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from tropism.core.errors import InvalidInput, MissingFeature, UnknownFeature
from tropism.core.faults import close_to, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.core.events import Value
    from tropism.core.faults import Faults
    from tropism.core.task import Feature, Task

LARGEST = 1e300
MOST_TEXT = 1_024
"""Most characters of a category."""
MOST_KEY = 512
"""Most characters of the key of an entity."""


class _Mark:
    """A value that no request can contain."""


_ABSENT: Final = _Mark()
_UNFIT: Final = _Mark()


class Note(NamedTuple):
    """Something accepted that a caller should know of."""

    kind: str
    """`missing-value`, `default-used` or `unseen-category`."""
    feature: str
    text: str


class RowReader:
    """Reads the features of one row of a task. Immutable; safe in any thread.

    Numbers may be sent as integers and are read as floats; booleans are not numbers, nor numbers categories. Of a
    task with feature views it reads what is sent: its other features, and the keys, which may be whole numbers.
    A feature that is absent takes its default; a null is a missing value where the feature allows it.

    >>> from tropism.core.task import Feature, Task
    >>> from tropism.core.faults import Faults
    >>> reader = RowReader(Task(name="price", kind="binary", target="up", features=(Feature("demand"),)))
    >>> reader.read({"demand": 3}, "features.", Faults())
    ({'demand': 3.0}, ())
    """

    def __init__(self, task: Task) -> None:
        asked = task.asked.features
        self._features = {feature.name: feature for feature in asked}
        self._columns = tuple((one.name, _reader(one, _key if one.name in task.keys else None)) for one in asked)

    def read(self, features: dict[str, Any], where: str, faults: Faults) -> tuple[dict[str, Value], tuple[Note, ...]]:
        """The row and notes on it. What is wrong is added to `faults`, and the row is then of no use."""
        get = features.get
        row: dict[str, Any] = {name: read(get(name, _ABSENT)) for name, read in self._columns}
        plain = _UNFIT not in row.values() and None not in row.values()
        if plain and features.keys() == row.keys():
            return row, ()
        self._explain(features, row, where, faults)
        return row, self._notes(features, row)

    def _explain(self, features: dict[str, Any], row: dict[str, Any], where: str, faults: Faults) -> None:
        for name, value in row.items():
            if value is not _UNFIT:
                continue
            feature = self._features[name]
            if name not in features:
                headline, fix = f"feature '{name}' is missing", f"send {_expected(feature)}"
                faults.add(MissingFeature, headline, where + name, "", fix)
            else:
                headline = f"feature '{name}' is not {_NOUNS[feature.type]}"
                faults.add(InvalidInput, headline, where + name, shown(features[name]), _fix(feature, features[name]))
        listed = ", ".join(row)[:400]
        for name in (name for name in features if name not in row):
            close = None if faults.full else close_to(name, row)
            fix = f"did you mean '{close}'?" if close else f"leave it out; the features are: {listed}"
            headline = f"there is no feature {shown(name)}"
            faults.add(UnknownFeature, headline, where + name[:100], shown(features[name]), fix)

    def _notes(self, features: dict[str, Any], row: dict[str, Any]) -> tuple[Note, ...]:
        notes = []
        for name, value in row.items():
            if name not in features:
                notes.append(Note("default-used", name, f"{name}: not sent, its default {shown(value)} was used"))
            elif value is None:
                notes.append(Note("missing-value", name, f"{name}: the value is missing"))
        return tuple(notes)


def _reader(feature: Feature, special: Callable[[Any], Value | _Mark] | None) -> Callable[[Any], Value | _Mark]:
    """A closure that turns a sent value into a row's value, or into `_UNFIT`."""
    read = special or {"number": _number, "category": _category, "boolean": _boolean}[feature.type]
    absent: Value | _Mark = _UNFIT
    if feature.default is not msgspec.UNSET:
        absent = None if feature.default is None else read(feature.default)
    missing = None if feature.nullable else _UNFIT

    def value_of(value: Any) -> Value | _Mark:
        if value is None:
            return missing
        if value is _ABSENT:
            return absent
        return read(value)

    return value_of


def _number(value: Any) -> float | _Mark:
    kind = type(value)
    if (kind is float or kind is int) and -LARGEST <= value <= LARGEST:
        return float(value)
    return _UNFIT


def _category(value: Any) -> str | _Mark:
    return value if type(value) is str and len(value) <= MOST_TEXT else _UNFIT


def _key(value: Any) -> Value | _Mark:
    text = str(value) if type(value) is int and value.bit_length() < MOST_KEY else value
    return text if type(text) is str and len(text) <= MOST_KEY else _UNFIT


def _boolean(value: Any) -> bool | _Mark:
    return value if type(value) is bool else _UNFIT


_NOUNS = {"number": "a number", "category": "a category", "boolean": "a boolean"}


def _expected(feature: Feature) -> str:
    noun = {"number": "a number", "category": "a string", "boolean": "true or false"}[feature.type]
    return f"{noun}, or null if it is not known" if feature.nullable else noun


def _fix(feature: Feature, value: Any) -> str:
    if value is None:
        return f"send {_expected(feature)}; this feature may not be missing"
    if feature.type == "category" and isinstance(value, str):
        return f"send at most {MOST_TEXT} characters"
    if feature.type == "category" and isinstance(value, int | float):
        return f"send it as a string: {shown(shown(value))}"
    if feature.type == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        return "send a number between -1e300 and 1e300"
    if feature.type == "number" and isinstance(value, str):
        return "send it as a number, without quotes"
    return f"send {_expected(feature)}"
