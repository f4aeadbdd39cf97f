"""Replies of the short way, compiled for one task and one version: the same bytes as `replies.Reply`, sooner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tropism.serving.scores import THRESHOLD, prediction, probabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tropism.core.task import Task

    Teller = Callable[[Sequence[str], Sequence[tuple[float, ...]]], list[Any]]


def teller(task: Task, version: int, variant: str = "champion") -> Teller:
    """What tells of predictions by their ids and scores: one struct each, ready for JSON.

    >>> from tropism.core.task import Feature, Task
    >>> task = Task(name="price", kind="regression", target="eur", features=(Feature("size"),))
    >>> (reply,) = teller(task, 3)(["an id"], [(1.5,)])
    >>> reply.prediction_id, reply.prediction, reply.version
    ('an id', 1.5, 3)
    """
    after = [
        ("model", str, task.name),
        ("version", int, version),
        ("variant", str, variant),
        ("degraded", tuple[str, ...], ()),
        ("warnings", tuple[str, ...], ()),
    ]
    before = [("prediction_id", str), ("prediction", Any)]
    if task.kind != "regression":
        before.append(("probabilities", Any))
    reply = msgspec.defstruct("Reply", [*before, *after], gc=False)
    if task.kind == "regression":
        return lambda ids, scores: [reply(name, one) for name, (one,) in zip(ids, scores, strict=True)]
    if task.kind == "binary":
        chances = msgspec.defstruct("Chances", [("false", float), ("true", float)], gc=False)
        return lambda ids, scores: [
            reply(name, one >= THRESHOLD, chances(1.0 - one, one)) for name, (one,) in zip(ids, scores, strict=True)
        ]
    return lambda ids, scores: [
        reply(name, prediction(task, one), probabilities(task, one)) for name, one in zip(ids, scores, strict=True)
    ]
