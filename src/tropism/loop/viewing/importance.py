"""How much a version relies on each feature, as cheaply as it can be known: what ranks the causes of drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from tropism.core.errors import TropismError
from tropism.evaluation.importance import permutation_importance
from tropism.feedback.joining import moments
from tropism.learners.encoding import Encoding
from tropism.loop.losses import features_of, load_model

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.learners.model import Model
    from tropism.loop.viewing.sources import Sources

ROWS = 2_000
"""Labelled rows that columns are permuted on, at most."""
FEWEST = 100
_PERMUTATIONS = 3


class Importance(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of 1 by feature. `source`: "model" (split gains of its trees, sizes of its weights), "permutation" (what
    permuting a column adds to the loss of `rows` labelled rows), or "none", and then `note` says why."""

    shares: dict[str, float] = {}
    source: Literal["model", "permutation", "none"] = "none"
    rows: int = 0
    note: str = ""


def importance_of(sources: Sources, task: Task, version: int | None) -> Importance:
    """What the model itself tells, else what permuting its columns shows, which is kept once it is known."""
    if version is None:
        return Importance(note="there is no champion yet")
    found = sources.registry.versions.get(task.name, version)
    if found.state == "quarantined":
        return Importance(note=f"version {version} is in quarantine, so it is not loaded")
    try:
        model = load_model(found.artifact, sources.blobs)
    except TropismError as error:
        return Importance(note=error.message)
    told = model.importance()
    if any(told.values()):
        return Importance(shares=told, source="model")
    return _kept(sources, task, version, model)


def _kept(sources: Sources, task: Task, version: int, model: Model) -> Importance:
    subject = f"importance/{version}"
    number, state = (0, b"") if sources.kept is None else sources.kept.get(task.name, subject)
    if state:
        return msgspec.msgpack.decode(state, type=Importance)
    found = _permuted(sources, task, model)
    if sources.kept is not None and found.source != "none":
        sources.kept.put(task.name, subject, msgspec.msgpack.encode(found), after=number, now=sources.clock.now())
    return found


def _permuted(sources: Sources, task: Task, model: Model) -> Importance:
    now = sources.clock.now()
    at = moments(sources.cohorts.matured(task, now=now, columns=("at",)).table, "at")
    if len(at) < FEWEST:
        return Importance(note=f"{len(at)} of the {FEWEST} labelled predictions that it takes are there")
    since = int(at[-min(ROWS, len(at))])
    columns = ("at", "label", *(f"f_{name}" for name in task.feature_names))
    table = sources.cohorts.matured(task, now=now, since=since, columns=columns).table.slice(0, ROWS)
    codes = Encoding(msgspec.structs.replace(model.encoding.facts, style="codes")).matrix(features_of(task, table))
    labels, made = table["label"].to_numpy(), moments(table, "at")
    found = permutation_importance(
        task.metric_name, labels, codes, lambda rows: model.predict_matrix(rows, made), permutations=_PERMUTATIONS
    )
    added = np.maximum([interval.value for interval in found.added], 0.0)
    if not added.any():
        return Importance(note=f"permuting columns of {len(labels)} labelled predictions made no loss larger")
    names = (column.name for column in model.encoding.facts.columns)
    shares = dict(zip(names, (added / added.sum()).tolist(), strict=True))
    return Importance(shares=shares, source="permutation", rows=len(labels))
