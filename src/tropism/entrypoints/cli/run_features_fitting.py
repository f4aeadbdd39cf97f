"""What `tropism features fit` does."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec
import pyarrow as pa

from tropism.core.errors import DataInvalid, Fault, InvalidInput
from tropism.entrypoints.cli.opening import open_project
from tropism.features import FeatureView, OnDemand
from tropism.features.offline.columns import moments
from tropism.features.pipelines import fitting, is_feature, output_name
from tropism.features.store.definitions import Definitions, StoredView
from tropism.features.store.histories import named_training_set
from tropism.features.transformations import Pipeline, TargetEncoding
from tropism.features.transformations.inputs import Filling, filled
from tropism.featurestore.training_sets import read_labels, require_form, write_table
from tropism.project import load_features, load_pipelines

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from tropism.featurestore import FeatureStore


class Fit(NamedTuple):
    """What is asked for. `name`: of the pipeline in `project.py`. `inputs`: what fills inputs that are not filled by
    the column of their name. `target`, `at`: columns of the labels. `delay`: of target encoding, instead of what is
    declared. `training`: where the columns to train on go, their names begun with `prefix`."""

    labels: Path
    name: str
    out: Path
    inputs: dict[str, str]
    target: str | None
    at: str | None
    delay: str | None
    training: Path | None
    prefix: str


def fit_pipeline(project: Path, asked: Fit) -> None:
    if asked.training is not None:
        require_form(asked.training)
    store = open_project(project).features
    pipeline = _pipeline(project, asked)
    labels = read_labels(asked.labels)
    names = {column: asked.inputs.get(column, column) for column in pipeline.inputs}
    given = _with_features(store, labels, list(names.values()), asked.at)
    fillings = {column: Filling(kind, names[column]) for column, kind in pipeline.inputs.items()}
    table = filled(fillings, lambda name: _column(given, name))
    fitted, columns = pipeline.fit_apply(table, _target(labels, asked.target), _times(labels, asked.at))
    if asked.training is not None:
        write_table(_training(labels, columns, asked.prefix), asked.training)
    fitted.save(asked.out)
    rows = f"{len(labels):,} row{'' if len(labels) == 1 else 's'}"
    click.echo(f"{asked.name}: fitted on {rows}, {len(fitted.outputs)} outputs: {asked.out}")
    if asked.training is not None:
        click.echo(f"{rows}, {labels.num_columns + columns.num_columns} columns: {asked.training}")


def _pipeline(project: Path, asked: Fit) -> Pipeline:
    there = load_pipelines(project / "project.py")
    if asked.name not in there:
        close = difflib.get_close_matches(asked.name, there, n=1)
        fix = f"did you mean '{close[0]}'?" if close else f"use one of: {', '.join(there)}"
        fix = fix if there else "bind one to a name in project.py: scaling = Pipeline(inputs, steps)"
        raise InvalidInput("there is no such pipeline in project.py", Fault("--pipeline", repr(asked.name)[:80], fix))
    pipeline = there[asked.name]
    unknown = [column for column in asked.inputs if column not in pipeline.inputs]
    if unknown:
        fix = f"name some of: {', '.join(pipeline.inputs)[:200]}"
        raise InvalidInput(
            "the pipeline has no such input", *(Fault("--input", repr(one)[:80], fix) for one in unknown)
        )
    if asked.delay is None:
        return pipeline
    delay = asked.delay
    steps = [
        msgspec.structs.replace(step, delay=delay) if isinstance(step, TargetEncoding) else step
        for step in pipeline.steps
    ]
    return Pipeline(pipeline.inputs, tuple(steps))


def _with_features(store: FeatureStore, labels: pa.Table, names: Sequence[str], at: str | None) -> pa.Table:
    """The labels with the features among the names that they have not got, as `project.py` declares them."""
    wanted = list(dict.fromkeys(name for name in names if is_feature(name) and name not in labels.column_names))
    if not wanted:
        return labels
    if at is None:
        fault = Fault("--at", "", f"name the labels' column of times: {wanted[0]} is joined by it")
        raise InvalidInput("features are added as they were known at a time", fault)
    with fitting():
        declared = load_features(store.opened.root / "project.py")
    views = [StoredView(one, f"{one.name}@0") for one in declared if isinstance(one, FeatureView)]
    definitions = Definitions(views, (), [one for one in declared if isinstance(one, OnDemand)])
    work = store.opened.state / "work"
    work.mkdir(parents=True, exist_ok=True)
    memory = store.opened.settings.memory_mb * 2**20
    sources = store.sources("fitting of a pipeline")
    table = named_training_set(labels, definitions, wanted, sources, at=at, memory=memory, work=work)
    for view, found in sources.reports.items():
        if rules := [one.rule.title for one in found.rules if one.broken]:
            click.echo(f"rules failed in the source of '{view}': {', '.join(rules)}", err=True)
    return table


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    there = table.column_names
    if there.count(name) == 1:
        return table[name]
    if name in there:
        raise DataInvalid("the labels have two columns of one name", Fault(name, "", "rename all of them but one"))
    close = difflib.get_close_matches(name, there, n=1)
    fix = f"did you mean '{close[0]}'?" if close else f"use one of: {', '.join(there)[:200]}"
    fault = Fault(name, "missing", f"{fix}; or say what fills the input: --input INPUT=NAME")
    raise DataInvalid(f"the labels have no column '{name}'", fault)


def _target(labels: pa.Table, name: str | None) -> npt.NDArray[np.generic] | None:
    if name is None:
        return None
    column = _column(labels, name)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.string()).cast(pa.float64())
    numbers = pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)
    if column.null_count or not numbers:
        shown = "null in some rows" if column.null_count else str(column.type)
        raise DataInvalid("the target cannot be used", Fault(name, shown, "give each label a number or a boolean"))
    values: npt.NDArray[np.generic] = column.to_numpy()
    return values


def _times(labels: pa.Table, name: str | None) -> npt.NDArray[np.generic] | None:
    if name is None:
        return None
    times = moments(_column(labels, name), name)
    if times.null_count:
        raise DataInvalid(
            "a label has no time", Fault(name, "null in some rows", "give each label its time, or drop it")
        )
    values: npt.NDArray[np.generic] = times.cast(pa.int64()).to_numpy()
    return values


def _training(labels: pa.Table, columns: pa.Table, prefix: str) -> pa.Table:
    """The labels with the columns to train on, named as the features that are served."""
    names = [output_name(prefix, name) for name in columns.column_names]
    taken = [name for name in names if name in labels.column_names]
    if taken:
        fix = "give --prefix, or rename the labels' column"
        raise InvalidInput("two columns would have one name", *(Fault("labels", name, fix) for name in taken))
    for name, column in zip(names, columns.columns, strict=True):
        labels = labels.append_column(name, column)
    return labels
