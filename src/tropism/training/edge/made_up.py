"""Rows that nobody sent, to check a bundle by: they cover a model's splits, its categories, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.learners.encoding import Column
    from tropism.learners.model import Model

_MISSING = 0.1
_UNSEEN = "a category that was never seen"


def made_up_rows(model: Model, task: Task, proto: Any, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows for a model whose graph is `proto`. Numbers are whole in single precision, so that no split is a close call.

    Of trees: numbers around the span of their splits. Of others: numbers around the training rows' mean.
    """
    rng = np.random.default_rng(seed)
    nullable = {feature.name: feature.nullable for feature in task.features}
    splits = _splits(proto)
    rows: list[dict[str, Any]] = [{} for _ in range(count)]
    for index, column in enumerate(model.encoding.facts.columns):
        values = _values(column, splits.get(index, []), count, rng)
        missing = rng.random(count) < _MISSING
        for row, value, gone in zip(rows, values, missing.tolist(), strict=True):
            row[column.name] = None if gone and nullable.get(column.name, True) else value
    return rows


def _values(column: Column, splits: list[float], count: int, rng: np.random.Generator) -> list[Any]:
    if column.type == "boolean":
        return [bool(one) for one in rng.integers(2, size=count)]
    if column.type == "category":
        known = [*column.categories, _UNSEEN]
        return [known[one] for one in rng.integers(len(known), size=count)]
    if splits:
        low, high = min(splits), max(splits)
        margin = 0.1 * (high - low) + 0.1 * abs(low) + 1e-3
        drawn = rng.uniform(low - margin, high + margin, count)
    else:
        drawn = column.mean + column.scale * rng.normal(size=count)
    largest = float(np.finfo(np.float32).max)
    return [float(one) for one in np.clip(drawn, -largest, largest).astype(np.float32)]


def _splits(proto: Any) -> dict[int, list[float]]:
    """Where a graph's trees split, by column."""
    found: dict[int, list[float]] = {}
    for node in proto.graph.node:
        facts = {one.name: one for one in node.attribute}
        if "nodes_featureids" not in facts:
            continue
        columns = zip(
            facts["nodes_featureids"].ints, facts["nodes_values"].floats, facts["nodes_modes"].strings, strict=True
        )
        for feature, value, mode in columns:
            if mode != b"LEAF":
                found.setdefault(feature, []).append(value)
    return found
