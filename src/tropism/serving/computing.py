"""Answers requests for features of many entities, as they are now."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism.core.clock import iso
from tropism.core.errors import Fault, InvalidInput, TooLarge, UnknownFeature
from tropism.core.faults import Faults, shown
from tropism.serving.fields import Fields
from tropism.serving.parsing import parse
from tropism.serving.predictions import live
from tropism.serving.rows import LARGEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.serving.parts import Parts
    from tropism.serving.requests import Limits
    from tropism.serving.snapshot import FeatureReaders, NamedFeatures

    Row = dict[str, Any]

FIELDS = ("features", "rows", "at")
MOST_NAMES = 1_000
"""Most features that one request names."""
_MANY = 5
"""Rows from which on they are read in a thread, so that other requests are answered meanwhile."""
_FORM = 'send {"features": ["view.feature", ...], "rows": [{"<key>": ...}, ...]}'
_encode = msgspec.json.Encoder().encode


class _Wanted(NamedTuple):
    names: tuple[str, ...]
    rows: list[Row]
    at: int | None


class Computing:
    """Reads features by name for any entities. For one event loop.

    Definitions are those of the live snapshot; no registry is asked.
    """

    def __init__(self, parts: Parts) -> None:
        self._holder = parts.holder
        self._clock = parts.clock
        self._limits = parts.limits()

    async def compute(self, body: bytes) -> bytes:
        """The reply to a request, as JSON: `names`, `at`, and for each row `values`, `statuses` by view, and `known`
        by stored view, null where it was never filled.

        Raises:
            MalformedBody, InvalidInput, UnknownFeature, TooLarge: names what cannot be used, such as
                `rows[3].account_id`.
            NotReady: a store is away.
        """
        readers = live(self._holder).features
        now = self._clock.now()
        wanted = _wanted(parse(body), now, self._limits)
        reader = await _reader(readers, wanted.names)
        keys, requests = _separated(reader, wanted.rows)
        if reader.remote or len(keys) >= _MANY:
            return await asyncio.to_thread(_answer, reader, keys, requests, now, wanted.at)
        return _answer(reader, keys, requests, now, wanted.at)


async def _reader(readers: FeatureReaders | None, names: tuple[str, ...]) -> NamedFeatures:
    if readers is None:
        fault = Fault("features", shown(names[0]), "declare it in project.py and run `tropism features apply`")
        raise UnknownFeature("there are no features", fault)
    kept = readers.kept(names)
    return kept if kept is not None else await asyncio.to_thread(readers, names)


def _answer(reader: NamedFeatures, keys: list[Row], requests: list[Row], now: int, at: int | None) -> bytes:
    try:
        reads = reader.read(keys, requests, now, at)
    except InvalidInput as error:
        raise _placed(reader, keys, requests, now, at, error) from error
    moments: dict[int, str | None] = {0: None}
    rows = [
        {
            "values": read.values,
            "statuses": read.statuses,
            "known": {view: _moment(known, moments) for view, known in read.known.items()},
        }
        for read in reads
    ]
    return _encode({"names": reader.names, "rows": rows, "at": iso(reads[0].at)})


def _moment(at: int, made: dict[int, str | None]) -> str | None:
    """As ISO 8601 text; of many rows the moments are mostly the same."""
    if at not in made:
        made[at] = iso(at)
    return made[at]


def _placed(
    reader: NamedFeatures, keys: list[Row], requests: list[Row], now: int, at: int | None, error: InvalidInput
) -> InvalidInput:
    """The error with the row that it is about: the first, found by halving."""
    low, high = 0, len(keys)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            reader.read(keys[low:middle], requests[low:middle], now, at)
            low = middle
        except InvalidInput as found:
            high, error = middle, found
    faults = (Fault(f"rows[{low}].{one.field.removeprefix('keys.')}", one.value, one.fix) for one in error.faults)
    return type(error)(error.message, *faults)


def _wanted(content: Any, now: int, limits: Limits) -> _Wanted:
    if not isinstance(content, dict):
        raise InvalidInput("the body is not a JSON object", Fault("body", shown(content), _FORM))
    faults = Faults()
    fields = Fields(content, "", faults, InvalidInput)
    fields.only(FIELDS)
    names = _names(fields)
    rows = _rows(fields, limits.rows)
    at = fields.moment("at", now, limits.tolerance)
    faults.check()
    return _Wanted(names, rows, at)


def _names(fields: Fields) -> tuple[str, ...]:
    names = fields.element.get("features")
    if not isinstance(names, list) or not names or not all(isinstance(one, str) for one in names):
        fix = 'send names such as ["spend.count_7d", "profile"]'
        fields.refuse("features", "'features' is not a list of names", fix)
        return ()
    if len(names) > MOST_NAMES:
        fault = Fault("features", str(len(names)), f"name at most {MOST_NAMES}, or whole views")
        raise TooLarge(f"{len(names)} features are too many for one request", fault)
    return tuple(names)


def _rows(fields: Fields, most: int) -> list[Row]:
    rows = fields.element.get("rows")
    if not isinstance(rows, list) or not rows:
        fix = 'send a list with an object for each entity, such as [{"account_id": "a-17"}]'
        fields.refuse("rows", "'rows' is not a list with elements", fix)
        return []
    if len(rows) > most:
        fault = Fault("rows", str(len(rows)), f"ask for at most {most} at a time (max_rows)")
        raise TooLarge(f"{len(rows)} rows are too many for one request", fault)
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            fix = "send an object with the keys of the entities"
            fields.faults.add(InvalidInput, f"rows[{index}] is not a JSON object", f"rows[{index}]", shown(row), fix)
    return rows


def _separated(reader: NamedFeatures, rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The keys of each row, and the row as on-demand features see it: as in a prediction, its numbers are floats and
    its keys text."""
    columns = reader.keys
    needed = frozenset(columns)
    keys, requests = [], []
    for index, row in enumerate(rows):
        if not needed <= row.keys():
            _refuse_missing(columns, rows, index)
        keys.append({column: row[column] for column in columns})
        requests.append({name: _requested(value, name in needed) for name, value in row.items()})
    return keys, requests


def _requested(value: Any, key: bool) -> Any:
    if type(value) is not int or abs(value) > LARGEST:
        return value
    return str(value) if key else float(value)


def _refuse_missing(columns: Sequence[str], rows: Sequence[Row], first: int) -> None:
    faults = Faults()
    fix = "send it, or null if it is not known"
    for index in range(first, len(rows)):
        for column in columns:
            if column not in rows[index]:
                faults.add(InvalidInput, f"the key '{column}' is missing", f"rows[{index}].{column}", "", fix)
    faults.check()
