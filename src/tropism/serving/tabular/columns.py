"""What the columns of a table are for, decided by their names before anything is read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pyarrow as pa

from tropism.core.errors import InvalidInput, MissingFeature, UnknownFeature
from tropism.core.faults import Faults, close_to

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tropism.core.task import Feature, Task

CARRIED = ("entity", "unit", "at", "prediction_id")
"""Columns that say what a row is about. A feature of the same name takes precedence."""
MOMENT = pa.timestamp("us", "UTC")
TYPES = {"number": pa.float64(), "category": pa.string(), "boolean": pa.bool_()}
CARRIED_TYPES = {"entity": pa.string(), "unit": pa.string(), "at": MOMENT, "prediction_id": pa.string()}
_DEFAULT, _DEFAULT_ROWS = b"tropism.default", b"tropism.default_rows"
_INDEXES = ("", "__index_level_0__")
"""What pandas calls the index of its rows in a file. It is left out."""
_NOUNS = {"number": "numbers", "category": "text", "boolean": "true or false"}


class Layout(NamedTuple):
    """Names of columns by what they are for, each group in a fixed order.

    `defaulted`: features that are absent and have a default. `kept`: columns that the caller wants back as they are.
    """

    features: tuple[str, ...]
    defaulted: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def present(self) -> tuple[str, ...]:
        """Every column that must be read."""
        return tuple(dict.fromkeys((*self.features, *self.carried, *self.kept)))


def lay_out(names: Sequence[str], task: Task, kept: Collection[str] = (), ignored: Collection[str] = ()) -> Layout:
    """What columns of these names are for.

    `kept`: columns to hand back as they are. `ignored`: columns to leave out. Either may name columns beside the
    task's own; `*` stands for all of these.

    Raises:
        MissingFeature: a feature without a default has no column.
        UnknownFeature: a column is none of the task's, nor to be kept or ignored.
        InvalidInput: a name stands twice, or there are faults of several kinds.

    >>> from tropism.core.task import Feature, Task
    >>> task = Task(name="price", kind="binary", target="up", features=(Feature("demand"),))
    >>> lay_out(["at", "demand", "up"], task, kept=["up"])
    Layout(features=('demand',), defaulted=(), carried=('at',), kept=('up',))
    """
    faults = Faults()
    _refuse_twins(names, faults)
    features = {feature.name: feature for feature in task.features}
    carried = tuple(name for name in CARRIED if name in names and name not in features)
    others = [name for name in dict.fromkeys(names) if name not in features and name not in carried]
    others = [name for name in others if name not in _INDEXES]
    chosen = tuple(name for name in dict.fromkeys(names) if name in kept or ("*" in kept and name in others))
    for name in others:
        if name not in chosen and name not in ignored and "*" not in ignored:
            _refuse_unknown(name, features, faults)
    defaulted = []
    for name, feature in features.items():
        if name in names:
            continue
        if feature.default is msgspec.UNSET:
            fix = f"add the column: {expected(feature)}"
            faults.add(MissingFeature, f"feature '{name}' is missing", name, "", fix)
        else:
            defaulted.append(name)
    faults.check()
    return Layout(tuple(name for name in features if name in names), tuple(defaulted), carried, chosen)


def expected(feature: Feature) -> str:
    """What the column of a feature holds, for a message."""
    noun = _NOUNS[feature.type]
    return f"{noun}, or nothing where the value is not known" if feature.nullable else noun


def default_column(feature: Feature, rows: int) -> pa.Array:
    """The column of a feature that was not sent."""
    return pa.repeat(pa.scalar(feature.default, TYPES[feature.type]), rows)


def marked_default(field: pa.Field, rows: Sequence[int] | None = None) -> pa.Field:
    """The field of a column whose values are its feature's default because none were sent.

    `rows`: the positions where that is so; all if None.
    """
    metadata = {_DEFAULT: b"all"} if rows is None else {_DEFAULT_ROWS: ",".join(map(str, rows)).encode()}
    return field.with_metadata(metadata)


def default_rows(table: pa.Table, name: str) -> Collection[int]:
    """Positions where a column holds its feature's default because nothing was sent.

    >>> table = pa.table([[1.0, 2.0]], schema=pa.schema([marked_default(pa.field("a", pa.float64()), [1])]))
    >>> list(default_rows(table, "a"))
    [1]
    """
    metadata = table.field(name).metadata or {}
    if _DEFAULT in metadata:
        return range(table.num_rows)
    listed = metadata.get(_DEFAULT_ROWS, b"").decode()
    return frozenset(map(int, listed.split(","))) if listed else ()


def schema_of(task: Task, layout: Layout) -> pa.Schema:
    """The columns of checked rows: the task's features, then what is carried."""
    fields = []
    for feature in task.features:
        field = pa.field(feature.name, TYPES[feature.type])
        fields.append(marked_default(field) if feature.name in layout.defaulted else field)
    return pa.schema([*fields, *(pa.field(name, CARRIED_TYPES[name]) for name in layout.carried)])


def _refuse_twins(names: Sequence[str], faults: Faults) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            headline, fix = f"two columns are called '{name[:80]}'", "give every column a name of its own"
            faults.add(InvalidInput, headline, name[:100], f"{count} columns", fix)


def _refuse_unknown(name: str, features: Collection[str], faults: Faults) -> None:
    close = None if faults.full else close_to(name, [*features, *CARRIED])
    fix = f"did you mean '{close}'?" if close else f"leave it out; the features are: {', '.join(features)[:400]}"
    faults.add(UnknownFeature, f"there is no feature '{name[:80]}'", name[:100], "", fix)
