"""What was served, computed again from the history: as of the moment it was served, of what was known then."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from tropism.core.errors import TropismError, UnknownFeature
from tropism.core.events import Served
from tropism.core.task import task_value
from tropism.features.statistics.skew import FeatureSkew, SkewReport, compare
from tropism.features.store.restoring import Restored, restored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tropism.core.task import Feature, Task
    from tropism.features.on_demand import OnDemand
    from tropism.features.store.definitions import Definitions
    from tropism.features.store.sources import Sources
    from tropism.storage.lake import Lake

_KEY = "prediction_id"


class Unplayed(msgspec.Struct, frozen=True):
    """Predictions whose value of a feature could not be computed again, and why."""

    feature: str
    predictions: int
    reason: str


class Skew(msgspec.Struct, frozen=True):
    """`report`: of what could be computed again. `compared`: of how many predictions, by feature."""

    report: SkewReport
    compared: dict[str, int]
    unplayed: tuple[Unplayed, ...] = ()


def skew(
    task: Task,
    rows: pa.Table,
    definitions: Definitions,
    sources: Callable[[], Sources],
    lake: Lake,
    since: Mapping[str, int] | None = None,
) -> Skew:
    """Compares what a task's predictions were served with what the history gives for the same moments.

    `rows`: predictions as the lake has them: `id`, `served` (JSON) and `f_<name>` for each feature. Those that were
    not served from the store are passed over, and so are values of features that they were not served.
    `definitions`: with those that are dropped, so that what they served can be computed. `sources`: makes what reads
    a view's source. `since`: from when on (µs) each on-demand feature has the code that it has now.
    """
    rows = rows.filter(rows["served"].is_valid())
    served = [msgspec.json.decode(one, type=Served) for one in rows["served"].to_pylist()]
    replay = _Replay(served, _sent(task, rows, served), definitions, restored(served, definitions, sources, lake))
    features: list[FeatureSkew] = []
    compared: dict[str, int] = {}
    unplayed: list[Unplayed] = []
    for feature in (one for one in task.features if one.view):
        places, values, reasons = replay.values(feature, (since or {}).get(feature.name, 0))
        kind = rows.schema.field(f"f_{feature.name}").type
        ids = rows["id"].take(pa.array(places, pa.int64()))
        old = pa.table({_KEY: ids, feature.name: rows[f"f_{feature.name}"].take(pa.array(places, pa.int64()))})
        new = pa.table({_KEY: ids, feature.name: pa.array(values, kind)})
        features += compare(old, new, [feature.name]).features
        compared[feature.name] = len(places)
        unplayed += [Unplayed(feature.name, count, reason) for reason, count in reasons.items()]
    return Skew(SkewReport(rows.num_rows, tuple(features)), compared, tuple(unplayed))


def _sent(task: Task, rows: pa.Table, served: Sequence[Served]) -> list[dict[str, Any]]:
    """What on-demand features took for the request: the features that were sent, and the keys."""
    names = [one.name for one in task.sent]
    columns = [rows[f"f_{name}"].to_pylist() for name in names]
    sent = zip(*columns, strict=True) if columns else ((),) * len(served)
    return [dict(one.keys) | dict(zip(names, row, strict=True)) for one, row in zip(served, sent, strict=True)]


class _Replay:
    """Values of features by the place of the prediction."""

    def __init__(
        self,
        served: Sequence[Served],
        sent: Sequence[dict[str, Any]],
        definitions: Definitions,
        views: Mapping[str, Restored | TropismError],
    ) -> None:
        self._sent, self._definitions, self._views = sent, definitions, views
        self._read = [_versions(one) for one in served]
        self._moments = [one.at for one in served]

    def values(self, feature: Feature, since: int) -> tuple[list[int], list[Any], Counter[str]]:
        """Places of the predictions that were served the feature, what it is by the history, and how many could not
        be computed again, by the reason."""
        places, values, reasons = [], [], Counter[str]()
        computed = None if "@" in feature.view else self._definitions.on_demand.get(feature.view)
        for place, read in enumerate(self._read):
            try:
                if "@" in feature.view:
                    value = self._stored(place, read, feature.name, newest=False)
                else:
                    value = self._computed(place, read, feature.view, computed, since)
            except _NotRead:
                continue
            except TropismError as error:
                reasons[_reason(error)] += 1
                continue
            places.append(place)
            values.append(task_value(feature, value))
        return places, values, reasons

    def _stored(self, place: int, read: Mapping[str, list[str]], name: str, *, newest: bool) -> Any:
        """Of the version that was read. Of two, the task was bound to the older one, and on-demand features were
        computed from the newer one."""
        title, _, field = name.partition(".")
        if title not in read:
            raise _NotRead
        found = self._views[read[title][-1 if newest else 0]]
        if isinstance(found, TropismError):
            raise found
        if field not in found.columns:
            raise _NotRead
        return found.columns[field][found.places[place]]

    def _computed(self, place: int, read: Mapping[str, list[str]], name: str, one: OnDemand | None, since: int) -> Any:
        if one is None:
            raise UnknownFeature(f"the code of '{name}' in project.py is not that which was applied")
        if self._moments[place] < since:
            raise UnknownFeature(f"'{name}' had other code then")
        needed = [part.name for part in self._definitions.needs(one)]
        return one.compute({part: self._stored(place, read, part, newest=True) for part in needed}, self._sent[place])


class _NotRead(Exception):
    """The prediction was not served the feature."""


def _versions(one: Served) -> dict[str, list[str]]:
    """The stored versions of each view that were read, by the view's name, the oldest first."""
    found: dict[str, list[str]] = {}
    for stored in sorted(one.known, key=lambda stored: int(stored.rpartition("@")[2])):
        found.setdefault(stored.rpartition("@")[0], []).append(stored)
    return found


def _reason(error: TropismError) -> str:
    faults = "; ".join(f"{one.field}: {one.value}" for one in error.faults[:1])
    return f"{error.message} ({faults})" if faults else error.message
