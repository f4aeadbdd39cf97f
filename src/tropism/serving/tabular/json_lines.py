"""JSON lines: a row a line, either flat (features beside `entity`, `unit`, `at`) or as `/predict` takes it."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec
import pyarrow as pa

from tropism.core.errors import Fault, InvalidInput, TropismError
from tropism.core.faults import Faults, shown
from tropism.core.identity import tag_of, task_tag
from tropism.serving.fields import Fields
from tropism.serving.parsing import parse
from tropism.serving.requests import FIELDS
from tropism.serving.rows import RowReader
from tropism.serving.tabular.base import Codec, Limits, within
from tropism.serving.tabular.columns import CARRIED, CARRIED_TYPES, TYPES, marked_default

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from tropism.core.events import Value
    from tropism.core.task import Task

_decoder = msgspec.json.Decoder()
_NONE: frozenset[str] = frozenset()
_encode = msgspec.json.Encoder().encode


class Line(NamedTuple):
    """A row that was read. `notes`: names of features whose default was used. `kept`: what the caller wants back."""

    row: dict[str, Value]
    carried: dict[str, Any]
    defaulted: frozenset[str]
    kept: dict[str, Any]


class LineReader:
    """Reads lines with the reader of single rows, so that they mean the same to the letter."""

    def __init__(self, task: Task, latest: int, kept: Collection[str] = (), ignored: Collection[str] = ()) -> None:
        self._task = task
        self._reader = RowReader(task)
        self._tag = task_tag(task.name)
        self._latest = latest
        self._kept, self._ignored = kept, ignored
        self._names = frozenset(task.feature_names)
        self._about = tuple(name for name in CARRIED if name not in self._names)
        self._none_about = frozenset(self._about).isdisjoint

    def read(self, element: Any, where: str, faults: Faults) -> Line:
        """A row. What is wrong is added to `faults`, and the row is then of no use."""
        if not isinstance(element, dict):
            headline, fix = f"{where.rstrip(', ')} is not a JSON object", 'send {"name": value, ...}'
            faults.add(InvalidInput, headline, where.rstrip(", "), shown(element), fix)
            return Line({}, {}, frozenset(), {})
        if "features" not in self._names and isinstance(element.get("features"), dict):
            features = element["features"]
            others = {name: value for name, value in element.items() if name != "features"}
            self._refuse_others(others, where, faults)
        elif self._none_about(element):
            features, others = element, {}
        else:
            features = {name: value for name, value in element.items() if name not in self._about}
            others = {name: element[name] for name in self._about if name in element}
        kept = self._taken(features)
        if kept or self._ignored:
            features = {name: value for name, value in features.items() if not self._spare(name)}
        row, notes = self._reader.read(features, where, faults)
        carried = self._carried(others, where, faults) if others else {}
        defaulted = frozenset(note.feature for note in notes if note.kind == "default-used") if notes else _NONE
        return Line(row, carried, defaulted, kept)

    def _spare(self, name: str) -> bool:
        """Whether a field is none of the task's, and to be kept or ignored."""
        named = name in self._kept or name in self._ignored or "*" in self._kept or "*" in self._ignored
        return named and name not in self._names

    def _taken(self, features: dict[str, Any]) -> dict[str, Any]:
        if not self._kept:
            return {}
        others = "*" in self._kept
        return {
            name: value
            for name, value in features.items()
            if name in self._kept or (others and name not in self._names)
        }

    def _refuse_others(self, others: dict[str, Any], where: str, faults: Faults) -> None:
        Fields(others, where, faults, InvalidInput).only(FIELDS)

    def _carried(self, others: dict[str, Any], where: str, faults: Faults) -> dict[str, Any]:
        fields = Fields(others, where, faults, InvalidInput)
        made = fields.identifier("prediction_id", self._latest, 0)
        if made is not None and tag_of(made) != self._tag:
            fix = f"end it with the tag of this task, {self._tag:04x}"
            fields.refuse("prediction_id", "the prediction_id was made for another task", fix)
        return {
            "entity": fields.text("entity"),
            "unit": fields.text("unit"),
            "at": fields.moment("at", self._latest, 0),
            "prediction_id": made,
        }


class JsonLinesCodec(Codec):
    """Each line stands for itself: a feature may be absent from one line and not from the next."""

    media_types: ClassVar[tuple[str, ...]] = ("application/jsonl", "application/x-ndjson", "application/ndjson")

    def decode(self, body: bytes, task: Task, limits: Limits) -> pa.Table:
        lines = split(body)
        within(len(lines), limits)
        reader, faults = LineReader(task, limits.latest), Faults()
        found = [
            reader.read(element, f"row {number}, ", faults) for number, element in enumerate(elements(lines), start=1)
        ]
        _refuse_repeated(found, faults)
        faults.check()
        return as_table(found, task)

    def encode(self, table: pa.Table) -> bytes:
        return b"".join(_encode(row) + b"\n" for row in table.to_pylist())


def split(body: bytes) -> list[bytes]:
    """The lines that hold something."""
    return [line for line in body.removeprefix(codecs.BOM_UTF8).splitlines() if line.strip()]


def elements(lines: Sequence[bytes], first: int = 1) -> list[Any]:
    """The JSON value of each line. `first`: the number of the first, for messages.

    Raises:
        MalformedBody: a line is not JSON; says which, where in it, and what to do.
    """
    try:
        return [_decoder.decode(line) for line in lines]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        for number, line in enumerate(lines, start=first):
            try:
                parse(line)
            except TropismError as error:
                faults = (Fault(f"row {number}", one.value, one.fix) for one in error.faults)
                raise type(error)(error.message.replace("the body", f"row {number}", 1), *faults) from error
        raise


def as_table(lines: Sequence[Line], task: Task, carried: Iterable[str] | None = None) -> pa.Table:
    """Rows that were read, as a table. `carried`: columns beside the features; those that any row has by default."""
    fields, columns = [], []
    defaulted = [(index, line.defaulted) for index, line in enumerate(lines) if line.defaulted]
    for feature in task.features:
        kind = TYPES[feature.type]
        columns.append(pa.array([line.row[feature.name] for line in lines], kind))
        field = pa.field(feature.name, kind)
        used = [index for index, names in defaulted if feature.name in names]
        fields.append(marked_default(field, used) if used else field)
    if carried is None:
        sent = {name for line in lines for name, value in line.carried.items() if value is not None}
        carried = [name for name in CARRIED if name in sent]
    for name in carried:
        kind = CARRIED_TYPES[name]
        columns.append(pa.array([line.carried.get(name) for line in lines], kind))
        fields.append(pa.field(name, kind))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _refuse_repeated(lines: Sequence[Line], faults: Faults) -> None:
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        made = line.carried.get("prediction_id")
        if made is None:
            continue
        if made in seen:
            field = f"row {number}, prediction_id"
            faults.add(InvalidInput, "a prediction_id is repeated", field, made, "make one for each row")
        seen.add(made)
