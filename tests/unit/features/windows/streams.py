"""Streams, views and a reference that is slow and plain, for the tests of windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context
from decimal import Decimal as Number
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from tropism.core.clock import SECOND, from_datetime
from tropism.features import Aggregation, Decimal, Entity, FeatureView, StreamSource, agg
from tropism.features.types import dtype

Event = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SCHEMA = {"who": str, "amount": float, "cents": Decimal(2), "items": int, "shop": str, "seen": datetime, "ok": bool}
STREAM = StreamSource("payments", timestamp="at", created="arrived", schema=SCHEMA)
FIELDS = (
    agg.count("10s", hop="5s"),
    agg.count("7s", hop="3s"),
    agg.sum("amount", "10s", hop="5s"),
    agg.mean("amount", "7s", hop="3s"),
    agg.std("amount", "10s", hop="5s"),
    agg.min("amount", "10s", hop="1s"),
    agg.max("amount", "6s", hop="3s"),
    agg.sum("cents", "10s", hop="5s"),
    agg.mean("cents", "7s", hop="3s"),
    agg.std("cents", "7s", hop="3s"),
    agg.min("cents", "10s", hop="5s"),
    agg.sum("items", "6s", hop="3s"),
    agg.std("items", "10s", hop="5s"),
    agg.max("items", "10s", hop="5s"),
    agg.last("shop", "10s", hop="5s"),
    agg.last("cents", "7s", hop="3s"),
    agg.last("amount", "10s", hop="5s"),
    agg.max("seen", "10s", hop="5s"),
    agg.distinct("shop", "10s", hop="5s"),
    agg.distinct("amount", "7s", hop="3s"),
    agg.distinct("ok", "10s", hop="5s"),
)


def view(*fields: Aggregation, known: Any = "arrival", source: Any = STREAM) -> FeatureView:
    return FeatureView(
        "spend", entity=Entity("account", key="who"), source=source, fields=fields or FIELDS, known=known
    )


def moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def table(events: Sequence[Event]) -> pa.Table:
    columns = {
        name: pa.array([one.get(name) for one in events], dtype(kind).arrow()) for name, kind in STREAM.schema.items()
    }
    return pa.table(columns)


def labels(pairs: Sequence[tuple[str, int]], known: Sequence[int] | None = None) -> pa.Table:
    times = pa.array([time for _, time in pairs], pa.int64()).cast(pa.timestamp("us", "UTC"))
    asked = pa.table({"who": pa.array([who for who, _ in pairs], pa.string()), "t": times})
    return asked if known is None else asked.append_column("known", pa.array(known, pa.int64()))


def reference(of: FeatureView, events: Sequence[Event], who: str, now: int, reach: int = 1 << 62) -> dict[str, Any]:
    """The features by definition, one event at a time; of those that arrived at `reach` or before."""
    events = [event for event in events if event.get("arrived") is None or from_datetime(event["arrived"]) <= reach]
    found = {}
    for one in of.aggregations:
        begin = (now - one.length) // one.step * one.step
        inside = []
        for place, event in enumerate(events):
            at = from_datetime(event["at"])
            arrived = event.get("arrived")
            known = at if arrived is None else max(at, from_datetime(arrived))
            if event["who"] == who and begin <= at < now and (of.known == "event" or known < now):
                inside.append((at, known, place, event))
        inside.sort(key=lambda row: row[:3])
        values = [row[3].get(one.column) for row in inside]
        values = [value for value in values if value is not None and value == value]
        found[one.name] = len(inside) if one.function == "count" else FUNCTIONS[one.function](values)
    return found


def _sum(values: list[Any]) -> Any:
    if not values:
        return None
    if isinstance(values[0], Number):
        return Number(int(sum(map(Fraction, values)) * 100)).scaleb(-2, Context(prec=50))
    if not isinstance(values[0], float):
        return sum(values)
    far = {value for value in values if math.isinf(value)}
    if far:
        return None if len(far) == 2 else far.pop()
    try:
        return float(sum(map(Fraction, values)))
    except OverflowError:
        return math.inf if sum(map(Fraction, values)) > 0 else -math.inf


def _mean(values: list[Any]) -> Any:
    if values and isinstance(values[0], float) and any(map(math.isinf, values)):
        return _sum(values)
    return float(sum(map(Fraction, values)) / len(values)) if values else None


def _std(values: list[Any]) -> Any:
    if len(values) < 2 or any(math.isinf(value) for value in values):
        return None
    exact = [Fraction(value) for value in values]
    mean = sum(exact, Fraction()) / len(exact)
    return _root(sum(((value - mean) ** 2 for value in exact), Fraction()) / (len(exact) - 1))


def _root(exact: Fraction) -> float:
    """The double whose neighbours' middles enclose the root."""
    if not exact:
        return 0.0
    scale = 4**1200
    guess = float(Fraction(math.isqrt(int(exact * scale)), 2**1200))
    for candidate in (math.nextafter(guess, 0), guess, math.nextafter(guess, math.inf)):
        below = (Fraction(candidate) + Fraction(math.nextafter(candidate, 0))) / 2
        above = (Fraction(candidate) + Fraction(math.nextafter(candidate, math.inf))) / 2
        if below**2 <= exact <= above**2:
            return candidate
    raise AssertionError(exact)


FUNCTIONS: dict[str, Callable[[list[Any]], Any]] = {
    "sum": _sum,
    "mean": _mean,
    "std": _std,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
    "last": lambda values: values[-1] if values else None,
    "distinct": lambda values: len(set(values)),
}


def random_events(seed: int, count: int, *, late: float = 0.05, accounts: int = 40, spread: int = 60) -> list[Event]:
    """Events in the order of arrival over `spread` seconds, some late, with nulls, NaN and ties."""
    random = np.random.default_rng(seed)
    arrived = np.sort(random.integers(-spread * SECOND // 2, spread * SECOND // 2, count))
    events = []
    for arrival in arrived.tolist():
        delay = int(random.integers(0, 15 * SECOND)) if random.random() < late else int(random.integers(0, 1_000))
        at = arrival - delay
        if random.random() < 0.2:
            at = at // SECOND * SECOND
        amount = [float(random.normal(0, 10.0 ** random.integers(-3, 9))), None, math.nan][
            int(random.choice(3, p=(0.9, 0.05, 0.05)))
        ]
        events.append(
            {
                "who": f"a{int(random.zipf(1.5)) % accounts}",
                "at": moment(at),
                "arrived": moment(arrival),
                "amount": amount,
                "cents": Number(int(random.integers(-(10**9), 10**9))).scaleb(-2) if random.random() < 0.9 else None,
                "items": int(random.integers(-(10**12), 10**12)) if random.random() < 0.9 else None,
                "shop": f"s{int(random.integers(0, 60))}" if random.random() < 0.9 else None,
                "seen": moment(int(random.integers(-(10**15), 10**15))),
                "ok": bool(random.random() < 0.5),
            }
        )
    return events
