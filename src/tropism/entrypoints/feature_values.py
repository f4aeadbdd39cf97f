"""Values of features of entities that are named one by one: as they are, and as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.core.clock import iso
from tropism.core.errors import Fault, InvalidInput, TooLarge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.features.store.reading import Read
    from tropism.wiring import Platform

_AT = "at which"
"""A column that no key is named: they are identifiers."""


def entities(given: Sequence[tuple[str, str]], columns: Sequence[str], most: int, where: str) -> list[dict[str, str]]:
    """Entities of what was given as key and value: the first values of all keys together are the first entity.

    `where`: what holds them, for errors: `query.`, `--key `.

    Raises:
        InvalidInput: a name is none of the keys, a key is missing, or some keys have more values than others.
        TooLarge: more than `most`.

    >>> entities([("shop", "s"), ("customer", "1"), ("shop", "s"), ("customer", "2")], ("shop", "customer"), 9, "")
    [{'shop': 's', 'customer': '1'}, {'shop': 's', 'customer': '2'}]
    """
    listed = ", ".join(columns)
    found: dict[str, list[str]] = {column: [] for column in columns}
    faults = [Fault(f"{where}{name[:80]}", value[:80], f"use: {listed}") for name, value in given if name not in found]
    if faults:
        raise InvalidInput(f"'{next(name for name, _ in given if name not in found)[:80]}' is no key", *faults[:50])
    for name, value in given:
        found[name].append(value)
    missing = [column for column, values in found.items() if not values]
    if missing:
        fix = "send it once for each entity"
        raise InvalidInput("a key is missing", *(Fault(f"{where}{column}", "missing", fix) for column in missing))
    lengths = {column: len(values) for column, values in found.items()}
    if len(set(lengths.values())) > 1:
        faults = [Fault(f"{where}{name}", f"{count} values", "send as many of each") for name, count in lengths.items()]
        raise InvalidInput("some keys have more values than others", *faults)
    if max(lengths.values()) > most:
        fault = Fault(f"{where}{columns[0]}", str(max(lengths.values())), f"ask for at most {most} at a time")
        raise TooLarge("these entities are too many", fault)
    return [dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)]


def values_now(
    platform: Platform, names: Sequence[str], keys: Sequence[Mapping[str, Any]], requests: Sequence[Mapping[str, Any]]
) -> list[Read]:
    """Values as they are now, for each entity. Raises what `FeatureReader.read` does."""
    return platform.features.reader(names).read(keys, requests, platform.clock.now())


def values_then(
    platform: Platform, names: Sequence[str], keys: Sequence[Mapping[str, Any]], at: int
) -> list[dict[str, Any]]:
    """Values as they were known at a moment (µs), of the history, for each entity: what a training set would hold.

    Raises:
        UnknownFeature: there is no such feature.
        DataInvalid, NotReady: the source of a view cannot be used, or is away.
    """
    import pyarrow as pa

    from tropism.features.store.histories import named_training_set
    from tropism.features.store.streams import MOMENT

    columns = {column: [row[column] for row in keys] for column in keys[0]}
    labels = pa.table({**columns, _AT: pa.array([at] * len(keys), MOMENT)})
    store = platform.features
    found = named_training_set(labels, store.definitions(), names, store.sources("read values"), at=_AT)
    rows: list[dict[str, Any]] = found.drop_columns([*columns, _AT]).to_pylist()
    return rows


def told_now(names: Sequence[str], keys: Sequence[Mapping[str, Any]], reads: Sequence[Read]) -> dict[str, Any]:
    """What was read, for JSON."""
    rows = [
        {
            "keys": dict(key),
            "values": read.values,
            "statuses": read.statuses,
            "known": {view: iso(known) if known else None for view, known in read.known.items()},
        }
        for key, read in zip(keys, reads, strict=True)
    ]
    return {"names": list(names), "at": iso(reads[0].at), "from": "online", "rows": rows}


def told_then(
    names: Sequence[str], keys: Sequence[Mapping[str, Any]], at: int, values: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What was found in the history, for JSON."""
    rows = [{"keys": dict(key), "values": dict(row)} for key, row in zip(keys, values, strict=True)]
    return {"names": list(names), "at": iso(at), "from": "history", "rows": rows}
