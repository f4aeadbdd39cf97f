"""Training sets by name, and what was served computed again."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, InvalidInput
from tropism.features.offline.training_set import training_set
from tropism.features.store.definitions import Named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from tropism.features.store.definitions import Definitions
    from tropism.features.store.sources import Sources


def named_training_set(
    labels: pa.Table,
    definitions: Definitions,
    names: Sequence[str],
    sources: Sources,
    *,
    at: str,
    memory: int = 2 * 2**30,
    work: Path | None = None,
) -> pa.Table:
    """The labels with a column for each feature that `names` stand for (`Definitions.find`), on-demand ones too, which
    take the labels' columns for the request.

    Raises:
        UnknownFeature: there is no such feature.
        What `offline.training_set` raises.
    """
    named = definitions.find_all(names)
    computed = [definitions.on_demand[one.name] for one in named if one.view is None]
    _refuse_clashes(labels, [one.name for one in computed])
    needed = {one.name: one for one in named if one.view is not None}
    needed.update({part.name: part for one in computed for part in definitions.needs(one)})
    table, width = labels, labels.num_columns
    for view, wanted in _by_view(list(needed.values())):
        table = training_set(table, [view], sources.read, at=at, names=wanted, memory=memory, work=work)
    features = table.select(list(range(width, table.num_columns)))
    made: dict[object, Any] = {}
    for one in computed:
        features = features.append_column(one.name, one.compute_column(features, labels, made))
    for name in (one.name for one in named):
        labels = labels.append_column(name, features[name])
    return labels


def _refuse_clashes(labels: pa.Table, names: Sequence[str]) -> None:
    taken = [name for name in names if name in labels.column_names]
    if taken:
        fix = "rename or drop the labels' column of that name"
        raise InvalidInput("two columns would have one name", *(Fault("labels", name, fix) for name in taken))


def _by_view(named: Sequence[Named]) -> list[tuple[Any, list[str]]]:
    views: dict[str, Any] = {}
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for one in named:
        if one.view is not None:
            views[one.view.stored] = one.view.view
            wanted[one.view.stored].append(one.name)
    return [(view, wanted[stored]) for stored, view in views.items()]
