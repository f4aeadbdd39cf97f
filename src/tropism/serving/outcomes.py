"""Accepts outcomes: one or many, all or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import Fault, InvalidOutcome, TooLarge, UnknownTask
from tropism.core.events import Outcome
from tropism.core.faults import Faults, shown
from tropism.core.identity import tag_of
from tropism.serving.fields import Fields
from tropism.serving.parsing import parse
from tropism.serving.predictions import live
from tropism.serving.told import told

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.serving.parts import Parts
    from tropism.serving.snapshot import Deployment, Snapshot

FIELDS = ("prediction_id", "task", "entity", "at", "outcome", "values", "id")


class Accepted(msgspec.Struct, frozen=True):
    """How many outcomes were recorded, and the id of each in the order they were sent."""

    accepted: int
    outcome_ids: list[str]


class Outcomes:
    """Accepts outcomes for any task. For one event loop.

    An outcome names its prediction by `prediction_id`, whose tag says the task, or by `task`, `entity` and `at`. It
    tells the label, or figures by name, or both. Whether that prediction exists is found out by the join, not here.
    """

    def __init__(self, parts: Parts) -> None:
        self._holder = parts.holder
        self._recorder = parts.recorder
        self._clock = parts.clock
        self._identifiers = parts.identifiers
        self._limits = parts.limits()
        self._meters = parts.meters
        self._privacy = parts.privacy

    async def accept(self, body: bytes) -> bytes:
        """The reply to a request, as JSON.

        Raises:
            UnknownTask, MalformedBody, InvalidOutcome, TooLarge: names every element that cannot be used;
                nothing was recorded.
            NotReady, DiskFull: nothing was recorded; the caller may try again.
        """
        snapshot = live(self._holder)
        elements, place = _elements(parse(body), self._limits.rows)
        now = self._clock.now()
        faults = Faults()
        read = [
            self._read(element, place.format(index), snapshot, now, faults) for index, element in enumerate(elements)
        ]
        faults.check()
        events = [event for event in read if event is not None]
        await self._recorder.record(events)
        for event in events:
            self._meters.outcomes.add(event.task)
        return msgspec.json.encode(Accepted(len(events), [event.id for event in events]))

    def _read(self, element: Any, where: str, snapshot: Snapshot, now: int, faults: Faults) -> Outcome | None:
        if not isinstance(element, dict):
            fix = 'send {"prediction_id": "...", "outcome": ...}'
            faults.add(InvalidOutcome, "an outcome is not a JSON object", where or "body", shown(element), fix)
            return None
        fields = Fields(element, f"{where}." if where else "", faults, InvalidOutcome)
        fields.only(FIELDS)
        tolerance = self._limits.tolerance
        prediction_id = fields.identifier("prediction_id", now, tolerance)
        at, entity = fields.moment("at", now, tolerance), fields.text("entity")
        deployment = _deployment(fields, snapshot, prediction_id)
        own_id = fields.identifier("id", now, tolerance)
        if element.get("prediction_id") is None:
            _named_otherwise(fields)
        if deployment is None:
            return None
        figures = told(fields, deployment.task)
        only = element.get("values") and element.get("outcome") is None
        value = None if only else _value(fields, deployment.task)
        if figures is None or (value is None and not only):
            return None
        return Outcome(
            id=own_id or self._identifiers.new(now, deployment.tag),
            task=deployment.task.name,
            value=value,
            at=now if at is None else at,
            received=now,
            prediction_id=prediction_id,
            entity=self._privacy.named(deployment.task, "entity", entity),
            values=figures,
        )


def _elements(content: Any, most: int) -> tuple[list[Any], str]:
    """The outcomes in a body, and how to name the place of one by its index."""
    place = "[{}]"
    if isinstance(content, dict):
        if "outcomes" not in content:
            return [content], ""
        place, content = "outcomes[{}]", content["outcomes"]
    if not isinstance(content, list) or not content:
        fix = 'send {"prediction_id": "...", "outcome": ...}, or a list of them'
        raise InvalidOutcome("the body has no outcome", Fault("body", shown(content), fix))
    if len(content) > most:
        fix = f"send at most {most} at a time (max_rows)"
        raise TooLarge(f"{len(content)} outcomes are too many", Fault("outcomes", str(len(content)), fix))
    return content, place


def _deployment(fields: Fields, snapshot: Snapshot, prediction_id: str | None) -> Deployment | None:
    """The deployment that an outcome belongs to, by the task it names and by its prediction's tag."""
    name = fields.text("task")
    if name is not None:
        try:
            found = snapshot.deployment(name)
        except UnknownTask as error:
            fields.refuse("task", error.message, error.faults[0].fix, UnknownTask)
            return None
        if prediction_id is not None and tag_of(prediction_id) != found.tag:
            fix = f"send the prediction_id of a prediction of '{name}', or leave 'task' out"
            fields.refuse("prediction_id", "the outcome is for a prediction of another task", fix)
            return None
        return found
    if prediction_id is None:
        return None
    tagged = snapshot.tagged.get(tag_of(prediction_id), ())
    if len(tagged) == 1:
        return tagged[0]
    if tagged:
        names = ", ".join(one.task.name for one in tagged)
        fields.refuse("prediction_id", "the prediction may be of several tasks", f"add 'task', one of: {names}")
    else:
        known = ", ".join(sorted(snapshot.deployments)) or "none"
        fix = f"send the prediction_id of a reply as it was; the tasks here are: {known}"
        fields.refuse("prediction_id", "the prediction_id is of no task here", fix)
    return None


def _named_otherwise(fields: Fields) -> None:
    """Without a prediction's id, its task, entity and time are needed."""
    absent = [name for name in ("task", "entity", "at") if fields.element.get(name) is None]
    if absent:
        headline = "the outcome does not say which prediction it is for"
        fields.refuse("prediction_id", headline, f"send it, or: task, entity, at (absent: {', '.join(absent)})")


def _value(fields: Fields, task: Task) -> float | None:
    if "outcome" not in fields.element:
        fields.refuse("outcome", "'outcome' is missing", f"{_remedy(task)}, or 'values'")
        return None
    value = task.label(fields.element["outcome"])
    if value is None:
        fields.refuse("outcome", f"the outcome does not fit task '{task.name}', which is {task.kind}", _remedy(task))
    return value


def _remedy(task: Task) -> str:
    if task.kind == "multiclass":
        return f"send one of: {', '.join(task.classes)}"
    return "send true or false" if task.kind == "binary" else "send a number between -1e300 and 1e300"
