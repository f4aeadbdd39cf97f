"""Statistics of features per day, kept once a day is over, and drift of the last days."""

from __future__ import annotations

import datetime
import hashlib
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import DAY
from tropism.features.offline.columns import fitted, moments
from tropism.features.sources import StreamSource
from tropism.features.statistics import Summary, by_day, drift
from tropism.features.store.streams import MOMENT, events_of, stream_rows
from tropism.features.types import Dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tropism.core.task import Feature, Task
    from tropism.features.store.definitions import Named, StoredView
    from tropism.featurestore.store import FeatureStore
    from tropism.storage.lake import Lake

    Days = Mapping[datetime.date, Summary]

TABLE = "_feature_statistics"
"""The lake's table of statistics, a row for each feature and day."""
_SCHEMA = pa.schema(
    [
        ("at", MOMENT),
        ("day", MOMENT),
        ("feature", pa.string()),
        ("task", pa.string()),
        ("definition", pa.string()),
        ("summary", pa.string()),
    ]
)
_SERVED = {"number": Dtype("number"), "category": Dtype("text"), "boolean": Dtype("boolean")}
_EPOCH = datetime.date(1970, 1, 1)


class Drifted(msgspec.Struct, frozen=True, kw_only=True):
    """Drift of the last days against `reference`. `psi`: 0 to infinity, `jensen_shannon`: 0 to 1. `missing`: the share
    of nulls, before and now. `rows`: of the reference and of the last days."""

    reference: str
    psi: float
    jensen_shannon: float
    missing: tuple[float, float]
    rows: tuple[int, int]


class FeatureStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One feature. `of`: rows of its view's source, by the day of their event, or what a task was served, by the day of
    the prediction. `days`: those that have rows, the oldest first."""

    feature: str
    of: str
    kind: str
    days: dict[datetime.date, Summary]
    drift: Drifted | None = None
    note: str | None = None

    @property
    def whole(self) -> Summary | None:
        """Of all days together."""
        return reduce(Summary.merge, self.days.values()) if self.days else None


class TaskRows(NamedTuple):
    """A task, its predictions since a moment (µs) with `at` and `f_<name>`, and what its champion was trained on, with
    a name for it."""

    task: Task
    predictions: Callable[[int], pa.Table]
    training: Callable[[], tuple[str, pa.Table] | None]


class _Key(NamedTuple):
    feature: str
    task: str
    definition: str


def statistics(
    store: FeatureStore, names: Sequence[str], days: int, tasks: Iterable[TaskRows]
) -> list[FeatureStatistics]:
    """Statistics of the last `days` days (UTC, today among them) of features, named as for `Definitions.find`; of all
    that are live where none is named.

    Raises:
        UnknownFeature: there is no such feature.
    """
    definitions, now = store.definitions(), store.opened.clock.now()
    named = definitions.find_all(names or [*definitions.views, *definitions.on_demand])
    today = now // DAY
    kept = _Kept(store.opened.lake, today - 2 * days + 1, now)
    found = [*_sources(store, named, (today - days + 1, today), kept)]
    wanted = {one.name: one for one in named}
    for one in tasks:
        features = [feature for feature in one.task.features if feature.view and feature.name in wanted]
        if features:
            codes = {name: computed.version for name, computed in definitions.on_demand.items()}
            found += _served(one, features, codes, (today - days + 1, today), kept)
    kept.write()
    order = {name: place for place, name in enumerate(wanted)}
    return sorted(found, key=lambda one: order[one.feature])


class _Kept:
    """Summaries of days, computed once a day is over."""

    def __init__(self, lake: Lake, first: int, now: int) -> None:
        self._lake, self._now, self._today = lake, now, now // DAY
        rows = lake.read(TABLE, schema=_SCHEMA, since=first * DAY, time="day").sort_by("at").to_pylist()
        self._found = {
            (_Key(row["feature"], row["task"], row["definition"]), _number(row["day"].date())): msgspec.json.decode(
                row["summary"], type=Summary
            )
            for row in rows
        }
        self._new: list[tuple[_Key, int]] = []

    def days(
        self,
        keys: Mapping[str, _Key],
        dtypes: Mapping[str, Dtype],
        span: tuple[int, int],
        read: Callable[[int], tuple[pa.Table, pa.ChunkedArray]],
    ) -> dict[str, dict[datetime.date, Summary]]:
        """For each column of `dtypes` its days in `span` that have rows. `read`: the columns and times of rows since a
        moment, which is asked for what is not kept yet."""
        wanted = range(span[0], span[1] + 1)
        missing = [day for day in wanted if any((key, day) not in self._found for key in keys.values())]
        if missing:
            table, times = read(missing[0] * DAY)
            computed = by_day(table, times, dtypes) if table.num_rows else {}
            for day in missing:
                self._add(day, keys, dtypes, computed.get(_date(day), {}))
        found = {name: {_date(day): self._found[key, day] for day in wanted} for name, key in keys.items()}
        return {name: {day: one for day, one in some.items() if one.count} for name, some in found.items()}

    def _add(
        self, day: int, keys: Mapping[str, _Key], dtypes: Mapping[str, Dtype], computed: Mapping[str, Summary]
    ) -> None:
        for name, key in keys.items():
            if (key, day) not in self._found:
                self._found[key, day] = computed.get(name) or _nothing(dtypes[name])
                if day < self._today:
                    self._new.append((key, day))

    def write(self) -> None:
        """Keeps what is new of days that are over."""
        rows = [
            key._asdict()
            | {"at": self._now, "day": day * DAY, "summary": msgspec.json.encode(self._found[key, day]).decode()}
            for key, day in self._new
        ]
        if rows:
            self._lake.append(TABLE, pa.Table.from_pylist(rows, schema=_SCHEMA))


def _sources(
    store: FeatureStore, named: Sequence[Named], span: tuple[int, int], kept: _Kept
) -> Iterable[FeatureStatistics]:
    """Features that are read as they are, of their sources' rows."""
    from tropism.core.errors import TropismError

    by_view: dict[str, list[Named]] = {}
    for one in named:
        if one.view is not None and not one.view.view.windowed:
            by_view.setdefault(one.view.stored, []).append(one)
    for some in by_view.values():
        view = some[0].view
        assert view is not None
        dtypes = {one.name: one.dtype for one in some}
        keys = {one.name: _Key(one.name, "", _definition(view)) for one in some}
        before = (2 * span[0] - span[1] - 1, span[1])
        try:
            days = kept.days(keys, dtypes, before, _reading(store, view))
        except TropismError as error:
            note = str(error).replace("\n", " ")
            yield from (_empty(one, view.stored, note) for one in some)
            continue
        for one in some:
            older, newer = _split(days[one.name], span[0])
            change = _drift(f"the {span[1] - span[0] + 1} days before", _merged(older), _merged(newer))
            yield FeatureStatistics(
                feature=one.name, of=f"rows of {view.stored}", kind=one.dtype.kind, days=newer, drift=change
            )


def _empty(one: Named, stored: str, note: str) -> FeatureStatistics:
    return FeatureStatistics(feature=one.name, of=f"rows of {stored}", kind=one.dtype.kind, days={}, note=note)


def _reading(store: FeatureStore, one: StoredView) -> Callable[[int], tuple[pa.Table, pa.ChunkedArray]]:
    view = one.view

    def read(since: int) -> tuple[pa.Table, pa.ChunkedArray]:
        if isinstance(view.source, StreamSource):
            # An event may say a time that is ahead of when it was taken in.
            rows = events_of(stream_rows(store.opened.lake, view.source, view.columns, since - DAY))
        else:
            rows = store.sources("statistics").read(view, view.columns)
        times = moments(rows[view.source.timestamp], view.source.timestamp)
        chosen = pc.fill_null(pc.greater_equal(times.cast(pa.int64()), since), fill_value=False)
        rows = rows.filter(chosen)
        names = {field: f"{view.name}.{field.name}" for field in view.plain}
        columns = {name: fitted(rows[field.column], field.dtype, name) for field, name in names.items()}
        return pa.table(columns), times.filter(chosen)

    return read


def _served(
    task_rows: TaskRows, features: Sequence[Feature], codes: Mapping[str, str], span: tuple[int, int], kept: _Kept
) -> Iterable[FeatureStatistics]:
    """Features as a task was served them. `codes`: the versions of on-demand features."""
    task = task_rows.task
    keys = {one.name: _Key(one.name, task.name, codes.get(one.view, one.view)) for one in features}
    dtypes = {feature.name: _SERVED[feature.type] for feature in features}

    def read(since: int) -> tuple[pa.Table, pa.ChunkedArray]:
        rows = task_rows.predictions(since)
        return pa.table({name: rows[f"f_{name}"] for name in dtypes}), rows["at"]

    days = kept.days(keys, dtypes, (2 * span[0] - span[1] - 1, span[1]), read)
    training = task_rows.training()
    for feature in features:
        older, newer = _split(days[feature.name], span[0])
        reference, before = f"the {span[1] - span[0] + 1} days before", _merged(older)
        if training is not None and f"f_{feature.name}" in training[1].column_names:
            reference, kind = training[0], dtypes[feature.name]
            before = _summary(training[1][f"f_{feature.name}"], kind)
        yield FeatureStatistics(
            feature=feature.name,
            of=f"served to {task.name}",
            kind=dtypes[feature.name].kind,
            days=newer,
            drift=_drift(reference, before, _merged(newer)),
        )


def _summary(column: pa.ChunkedArray, kind: Dtype) -> Summary:
    from tropism.features.statistics import summarise

    return summarise(pa.table({"x": column}), {"x": kind})["x"]


def _drift(reference: str, before: Summary | None, current: Summary | None) -> Drifted | None:
    if before is None or current is None or not before.count or not current.count:
        return None
    found = drift(before, current)
    return Drifted(
        reference=reference,
        psi=found.psi,
        jensen_shannon=found.jensen_shannon,
        missing=found.missing,
        rows=(before.count, current.count),
    )


def _split(days: Days, first: int) -> tuple[dict[datetime.date, Summary], dict[datetime.date, Summary]]:
    begin = _date(first)
    older = {day: one for day, one in days.items() if day < begin}
    return older, {day: one for day, one in days.items() if day >= begin}


def _merged(days: Days) -> Summary | None:
    return reduce(Summary.merge, days.values()) if days else None


def _definition(one: StoredView) -> str:
    """What the values rest on: the view, and the rules that may take some out."""
    rules = msgspec.json.encode(one.view.source.rules, order="deterministic")
    return hashlib.sha256(one.view.fingerprint.encode() + rules).hexdigest()[:16]


def _nothing(kind: Dtype) -> Summary:
    return _summary(pa.chunked_array([pa.nulls(0, kind.arrow())]), kind)


def _date(day: int) -> datetime.date:
    return _EPOCH + datetime.timedelta(days=day)


def _number(day: datetime.date) -> int:
    return (day - _EPOCH).days


def plain(one: FeatureStatistics) -> dict[str, Any]:
    """As JSON has it: of each day and of all together what people ask for, without the sketches."""
    whole = one.whole
    return {
        "feature": one.feature,
        "of": one.of,
        "kind": one.kind,
        "days": [{"day": day.isoformat()} | facts(summary) for day, summary in one.days.items()],
        "whole": None if whole is None else facts(whole),
        "drift": msgspec.to_builtins(one.drift),
        "note": one.note,
    }


def facts(summary: Summary) -> dict[str, Any]:
    """A summary without its sketches."""
    return {
        "count": summary.count,
        "nulls": summary.nulls,
        "infinite": summary.infinite,
        "minimum": summary.minimum,
        "maximum": summary.maximum,
        "mean": summary.mean,
        "std": summary.std,
        "quantiles": {f"{share:g}": value for share, value in summary.percentiles.items()},
        "top": summary.top,
    }
