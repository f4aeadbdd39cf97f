"""Training sets from the feature store: made, written to files or kept in the lake, and linked to what they came of."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from tropism.core.errors import DiskFull, Fault, InvalidInput, NotReady, NotWritable
from tropism.features.offline.columns import MOMENT, decoded
from tropism.features.offline.csv_files import read_csv
from tropism.features.offline.refusals import unreadable
from tropism.features.store.histories import named_training_set

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tropism.core.task import Feature, Task
    from tropism.features.store.definitions import Definitions
    from tropism.featurestore.store import FeatureStore

WRITER = "training-set"
"""The lake's `writer` of training sets; `seq` is the number of the training set that a row belongs to."""
FORMS = (".parquet", ".arrow", ".feather", ".csv")
_ATTEMPTS = 10
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Made(NamedTuple):
    """`table`: the labels with the features. `failed`: rules of sources that failed, by view, with rows that did."""

    table: pa.Table
    failed: dict[str, tuple[str, ...]]


def make_training_set(store: FeatureStore, labels: Any, names: Sequence[str], at: str) -> Made:
    """The labels with their features as they were known at each label's time.

    `labels`: an Arrow table, or anything with `__arrow_c_stream__`, as the frames of pandas and Polars have it; with
    the keys of the entities, and the request's columns where features are computed on demand. `names`: as for
    `Definitions.find`. `at`: the labels' column of times.

    Raises:
        UnknownFeature: there is no such feature.
        InvalidInput: the labels are no table, or a column has the name of a feature.
        DataInvalid: a column or a source is missing or not as declared, or breaks a rule of policy `stop`.
        DiskFull, NotWritable: a join that needs files cannot write them.
    """
    work = store.opened.state / "work"
    work.mkdir(parents=True, exist_ok=True)
    sources = store.sources("training set")
    memory = store.opened.settings.memory_mb * 2**20
    table = named_training_set(_as_table(labels), store.definitions(), names, sources, at=at, memory=memory, work=work)
    broken = {
        view: tuple(one.rule.title for one in found.rules if one.broken) for view, found in sources.reports.items()
    }
    return Made(table, {view: rules for view, rules in broken.items() if rules})


def _as_table(labels: Any) -> pa.Table:
    if isinstance(labels, pa.Table):
        return labels
    if not hasattr(labels, "__arrow_c_stream__"):
        fix = "pass an Arrow table, or a frame of pandas or Polars"
        raise InvalidInput("the labels are no table", Fault("labels", type(labels).__name__, fix))
    return pa.table(labels)


def names_of(task: Task) -> list[str]:
    """The features that a task takes from the store, in the versions that it is bound to.

    Raises:
        InvalidInput: it takes none.
    """
    found = [stored_name(feature) for feature in task.features if feature.view]
    if not found:
        fix = "give the task views in project.py and apply it, or name views: --views spend,profile"
        raise InvalidInput(f"the task '{task.name}' has no features from the store", Fault("task", task.name, fix))
    return found


def stored_name(feature: Feature) -> str:
    """What `Definitions.find` knows a task's feature by, in the version that the task is bound to.

    >>> from tropism.core.task import Feature
    >>> stored_name(Feature("spend.count_7d", view="spend@2")), stored_name(Feature("ratio", view="ratio"))
    ('spend@2.count_7d', 'ratio')
    """
    return f"{feature.view}.{feature.name.partition('.')[2]}" if "@" in feature.view else feature.name


def read_labels(path: Path) -> pa.Table:
    """All columns of a Parquet or CSV file, or of an Arrow file.

    Raises:
        DataInvalid: it cannot be read.
    """
    from pyarrow import csv, feather, parquet

    try:
        with path.open("rb") as file:
            mark = file.read(6)
        if mark[:4] == b"PAR1":
            return parquet.ParquetFile(path).read()
        if mark == b"ARROW1":
            return feather.read_table(path)
        with csv.open_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True)) as opened:
            names = opened.schema.names
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, "Parquet, Arrow or CSV", error) from error
    return read_csv([path], names)


def write_table(table: pa.Table, path: Path) -> None:
    """Writes a Parquet, Arrow or CSV file, by the ending of its name; it is there as a whole or not at all.

    Raises:
        InvalidInput: the ending is none of these, or a column does not go into CSV.
        DiskFull, NotWritable: it cannot be written.
    """
    require_form(path)
    nested = [field.name for field in table.schema if pa.types.is_nested(field.type)]
    if path.suffix.lower() == ".csv" and nested:
        fix = "write a .parquet or .arrow file"
        raise InvalidInput("CSV holds no vectors", *(Fault("--out", name, fix) for name in nested))
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        _write(table, part, path.suffix.lower())
        part.replace(path)
    except OSError as error:
        if error.errno in _FULL:
            fault = Fault("--out", str(path), "free some space, or write elsewhere")
            raise DiskFull("the disk is full", fault) from error
        fault = Fault("--out", str(path), "name a file in a folder that you may write to")
        raise NotWritable(f"{path} cannot be written: {error.strerror or error}", fault) from error
    finally:
        part.unlink(missing_ok=True)


def require_form(path: Path) -> None:
    """Raises `InvalidInput` for a file whose name does not say what to write."""
    if path.suffix.lower() not in FORMS:
        raise InvalidInput(
            "the form of the file is not known", Fault("--out", str(path), f"end it in {', '.join(FORMS)}")
        )


def _write(table: pa.Table, path: Path, suffix: str) -> None:
    from pyarrow import csv, feather, parquet

    if suffix == ".parquet":
        parquet.write_table(table, path)
    elif suffix == ".csv":
        csv.write_csv(table, path)
    else:
        feather.write_feather(table, path, compression="uncompressed")


def keep_training_set(store: FeatureStore, name: str, table: pa.Table, names: Sequence[str]) -> int:
    """Keeps a training set in the lake's table `_training_sets/<name>` and notes which views it was made of; its
    version, from 1 on. Its rows are those with `seq` equal to the version, and never change.

    Raises:
        InvalidInput: the name is none of a table, or a column has the name of one of the lake's own.
        DataInvalid: an earlier version has a column of another type.
        DiskFull, NotWritable: nothing was kept.
    """
    taken = [one for one in ("writer", "seq") if one in table.column_names]
    if taken:
        fix = "rename it: the lake has a column of this name of its own"
        raise InvalidInput("a training set cannot be kept so", *(Fault("labels", one, fix) for one in taken))
    lake, place, plain = store.opened.lake, f"_training_sets/{name}", _plain(table)
    if not len(plain):
        raise InvalidInput("the training set is empty", Fault("labels", "0 rows", "give labels"))
    for _ in range(_ATTEMPTS):
        version = lake.position(place, WRITER) + 1
        own = {"writer": pa.array([WRITER] * len(plain)), "seq": pa.array([version] * len(plain), pa.int64())}
        rows = pa.table({**own, **{column: plain[column] for column in plain.column_names}})
        if lake.append(place, rows, positions={WRITER: version}).rows:
            _link(store, f"{name}@{version}", names)
            return version
    raise NotReady(f"others write '{place}' all the time", Fault("lake", place, "try again"))


def _plain(table: pa.Table) -> pa.Table:
    """In types that the lake has, which are the same however the labels came."""
    columns: dict[str, pa.ChunkedArray] = {}
    for name in table.column_names:
        column = decoded(table[name])
        kind = column.type
        if pa.types.is_timestamp(kind):
            column = column.cast(MOMENT, safe=kind.unit != "ns")
        elif pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind):
            column = column.cast(pa.string())
        elif pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind):
            column = column.cast(pa.list_(kind.value_type))
        columns[name] = column
    return pa.table(columns)


def _link(store: FeatureStore, made: str, names: Sequence[str]) -> None:
    """Notes what a training set was made of: the versions of its views, and what is computed on demand."""
    definitions, registry, now = store.definitions(), store.opened.registry, store.opened.clock.now()
    views, computed = _origins(definitions, names)
    for stored in views:
        registry.link("view", stored, WRITER, made, now)
    for one in registry.list():
        if one.kind == "on-demand" and one.state == "live" and one.name in computed:
            registry.link("on-demand", f"{one.name}@{one.version}", WRITER, made, now)


def _origins(definitions: Definitions, names: Sequence[str]) -> tuple[list[str], list[str]]:
    named = definitions.find_all(names)
    computed = [one.name for one in named if one.view is None]
    named = [*named, *(part for one in computed for part in definitions.needs(definitions.on_demand[one]))]
    return list(dict.fromkeys(one.view.stored for one in named if one.view is not None)), computed
