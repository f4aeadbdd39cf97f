"""Answers rows with the best that works: what is served, the previous version, the baseline."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from tropism.core.errors import Fault, InvalidInput, NotReady
from tropism.core.events import PINNED
from tropism.serving.breaker import Breaker
from tropism.serving.lanes import matrix
from tropism.serving.marking import Unmarked
from tropism.serving.rows import Note
from tropism.serving.scores import checked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tropism.core.events import Value
    from tropism.core.task import Task
    from tropism.learners.base import Floats, Times
    from tropism.serving.marking import Marker
    from tropism.serving.prediction_cache import PredictionCache
    from tropism.serving.snapshot import Compiled, Deployment, Seat, ServedModel

_log = logging.getLogger(__name__)
CHAMPION = "champion"
BASELINE = "baseline"
_SHORT_UP_TO = 8
"""Rows up to which a model with a short way is asked for one after the other: a batch would be no faster."""


class Answer(NamedTuple):
    """Scores, one tuple a row, and what made them: version 0 is the baseline. `kept`: which are from the cache."""

    scores: list[tuple[float, ...]]
    version: int
    variant: str
    degraded: tuple[str, ...]
    model: ServedModel | None = None
    kept: tuple[bool, ...] = ()


UNSCORED = "-unscored"


class Unscored(Exception):
    """A model gave no score to rows that lack values."""


class _Found(NamedTuple):
    """Scores, and which of them came from the cache."""

    scores: list[tuple[float, ...]]
    kept: tuple[bool, ...] = ()


class Predictor:
    """Falls back step by step; each step that was needed is named in `degraded`.

    `treatment-failed`, `champion-failed` and `previous-failed`: the model raised, or gave impossible scores.
    `treatment-resting`, `champion-resting` and `previous-resting`: it did so several times in a row, and is not asked
    for a while. `treatment-unscored`, `champion-unscored` and `previous-unscored`: it gave no score to a row that lacks
    values, which is no failure of its own. `no-model`: the task has none yet. A failure is logged when it is the first
    in a row, and when the model is put to rest.
    """

    def __init__(self, marker: Marker | None = None, cache: PredictionCache | None = None) -> None:
        """`cache`: keeps scores of rows; it is asked only on the way of rows that are not codes yet."""
        self._marker: Marker = marker or Unmarked()
        self._cache = cache
        self._breakers: dict[tuple[str, int], Breaker] = {}

    def answer(
        self,
        deployment: Deployment,
        rows: Sequence[dict[str, Value]],
        at: Sequence[int],
        seat: Seat | None = None,
    ) -> Answer:
        """Scores for rows that were checked, asked for `at` these moments in µs. Never raises what a model raises.

        `seat`: where the rows take part in an experiment. Its variant is recorded whatever answers in the end: who
        was assigned to it counts for it.
        """
        degraded = deployment.degraded if seat is None else (*deployment.degraded, *seat.degraded)
        served, previous = deployment.served, deployment.previous
        variant = CHAMPION if seat is None else seat.variant
        tries = [] if seat is None or seat.model is None else [(seat.model, "treatment")]
        tries += [] if served is None else [(served, "champion")]
        if previous is not None and (served is None or previous.version != served.version):
            tries.append((previous, "previous"))
        if served is None:
            degraded = (*degraded, "no-model")
        for model, name in tries:
            if self._rests(deployment, model):
                degraded = (*degraded, f"{name}-resting")
                continue
            try:
                found = self._tried(deployment, model, rows, at)
            except Unscored:
                degraded = (*degraded, f"{name}{UNSCORED}")
                continue
            if found is not None:
                return Answer(found.scores, model.version, variant, degraded, model, found.kept)
            degraded = (*degraded, f"{name}-failed")
        return Answer([deployment.baseline] * len(rows), 0, BASELINE if seat is None else variant, degraded)

    def pinned(
        self, deployment: Deployment, model: ServedModel, rows: Sequence[dict[str, Value]], at: Sequence[int]
    ) -> Answer:
        """Scores of one version and no other, for rows that were checked.

        Raises:
            InvalidInput: it has no score for a row that lacks values.
            NotReady: it failed, or has lately; nothing stands in for it.
        """
        try:
            found = None if self._rests(deployment, model) else self._tried(deployment, model, rows, at)
        except Unscored as error:
            fault = Fault("version", str(model.version), "send all values, or ask for another version")
            name = deployment.task.name
            raise InvalidInput(
                f"version {model.version} of '{name}' has no score for rows like these", fault
            ) from error
        if found is not None:
            return Answer(found.scores, model.version, PINNED, (), model, found.kept)
        fault = Fault("version", str(model.version), "ask for another version, or for none; the server's log says why")
        raise NotReady(f"version {model.version} of '{deployment.task.name}' failed to predict", fault)

    def _tried(
        self, deployment: Deployment, model: ServedModel, rows: Sequence[dict[str, Value]], at: Sequence[int]
    ) -> _Found | None:
        """What a model says of rows, as far as it is not known; None if it failed. Raises `Unscored`."""
        if self._cache is None:
            scores = self._asked(deployment, model, lambda: model.model.predict_rows(rows, _times(at)), len(rows), rows)
            return None if scores is None else _Found(scores)
        cache, codes = self._cache, model.model.encoding.codes
        keys = [cache.key(deployment.task.name, model.version, codes(row)) for row in rows]
        known = [cache.find(key) for key in keys]
        new = [place for place, scores in enumerate(known) if scores is None]
        if new:
            ask, moments = [rows[place] for place in new], _times([at[place] for place in new])
            fresh = self._asked(deployment, model, lambda: model.model.predict_rows(ask, moments), len(ask), ask)
            if fresh is None:
                return None
            for place, made in zip(new, fresh, strict=True):
                cache.keep(keys[place], made)
                known[place] = made
        left = set(new)
        return _Found([one for one in known if one is not None], tuple(place not in left for place in range(len(rows))))

    def scores(
        self, deployment: Deployment, served: ServedModel, codes: Sequence[Sequence[float]], now: int
    ) -> list[tuple[float, ...]] | None:
        """Scores of rows that are codes already; None when the model failed, or has lately."""
        if self._breakers and (deployment.task.name, served.version) in self._breakers:
            return None
        model = cast("Compiled", served.model)  # there is no lane to another
        short = model.short
        if short is not None and len(codes) <= _SHORT_UP_TO:
            if len(codes) == 1:
                return self._asked(deployment, served, lambda: short(codes[0]), 1)
            return self._asked(deployment, served, lambda: np.concatenate([short(row) for row in codes]), len(codes))
        at = np.full(len(codes), now, np.int64)
        return self._asked(deployment, served, lambda: model.predict_matrix(matrix(codes), at), len(codes))

    def _rests(self, deployment: Deployment, served: ServedModel) -> bool:
        breaker = self._breakers.get((deployment.task.name, served.version))
        return breaker is not None and not breaker.allows()

    def _asked(
        self,
        deployment: Deployment,
        served: ServedModel,
        ask: Callable[[], Floats],
        rows: int,
        given: Sequence[dict[str, Value]] = (),
    ) -> list[tuple[float, ...]] | None:
        self._marker.enter(deployment.tag, served.version)
        scores = None
        try:
            scores = ask()
            found = checked(deployment.task, scores, rows)
        except Exception as error:  # a model may raise anything
            if scores is not None and given and _only_blank(deployment.task, served, scores, given):
                raise Unscored from error
            self._failed(deployment.task.name, served.version)
            return None
        finally:
            self._marker.leave()
        if self._breakers:
            self._breakers.pop((deployment.task.name, served.version), None)
        return found

    def _failed(self, task: str, version: int) -> None:
        breaker = self._breakers.setdefault((task, version), Breaker())
        first = not breaker.failing
        if breaker.failed():
            _log.error("version %d of model '%s' keeps failing and is left alone for a while", version, task)
        elif first:
            _log.error("version %d of model '%s' failed to predict", version, task, exc_info=True)


def blank(task: Task, model: ServedModel, row: dict[str, Value]) -> bool:
    """Whether a row lacks a value, or has a category that the model never met."""
    return any(row.get(name) is None for name in task.feature_names) or bool(unseen(model, row))


def _only_blank(task: Task, model: ServedModel, scores: Floats, rows: Sequence[dict[str, Value]]) -> bool:
    """Whether all that is wrong with scores is that rows which lack values have none."""
    if scores.ndim != 2 or len(scores) != len(rows):
        return False
    without = np.flatnonzero(np.isnan(scores).any(axis=1))
    return len(without) > 0 and all(blank(task, model, rows[place]) for place in without.tolist())


def _times(at: Sequence[int]) -> Times:
    return np.array(at, np.int64)


def unseen(model: ServedModel | None, row: dict[str, Value]) -> list[Note]:
    """Notes on the categories of a row that the model never met in training."""
    if model is None:
        return []
    notes = []
    for name, known in model.categories.items():
        value = row.get(name)
        if value is not None and value not in known:
            text = f"{name}: category '{str(value)[:80]}' is not one that the model knows"
            notes.append(Note("unseen-category", name, text))
    return notes
