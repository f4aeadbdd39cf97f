"""Reads predict requests: one row, or many as `instances`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tropism.core.errors import Fault, InvalidInput, TooLarge
from tropism.core.faults import Faults, shown
from tropism.core.identity import tag_of
from tropism.serving.fields import Fields
from tropism.serving.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.events import Served, Value
    from tropism.core.task import Task
    from tropism.serving.rows import Note
    from tropism.serving.snapshot import Deployment

FIELDS = ("features", "entity", "unit", "at", "prediction_id")


class Limits(NamedTuple):
    """`rows`: most elements of a request. `tolerance`: how far ahead a caller's time may be, in µs."""

    rows: int
    tolerance: int


class Ask(NamedTuple):
    """One row to predict, checked. `at` and `prediction_id` are None where the caller left them to us. `served` and
    `degraded` say how the features from the store came into it."""

    row: dict[str, Value]
    notes: tuple[Note, ...]
    entity: str | None = None
    unit: str | None = None
    at: int | None = None
    prediction_id: str | None = None
    served: Served | None = None
    degraded: tuple[str, ...] = ()


class KeptFeatures(Protocol):
    """Features of earlier requests, such as `feature_cache.FeatureCache`."""

    def fill(self, task: Task, element: dict[str, Any]) -> tuple[Note, ...]:
        """Puts what is missing into an element of a request; a note for each value."""
        ...

    def keep(self, task: Task, asks: Sequence[Ask]) -> None:
        """Keeps the features of rows that name an entity."""
        ...


class Asked(NamedTuple):
    """The rows of a request. `many`: they were sent as `instances`. `explain`: their contributions are wanted."""

    asks: list[Ask]
    many: bool
    explain: bool


def read_request(
    body: bytes, deployment: Deployment, now: int, limits: Limits, kept: KeptFeatures | None = None
) -> Asked:
    """The rows of a request and what else it asks for. `kept` fills in features that were left out.

    Raises: what `read_predict` raises.
    """
    content = _object(body)
    explain = content.pop("explain", False)
    if not isinstance(explain, bool):
        raise InvalidInput("'explain' is not true or false", Fault("explain", shown(explain), "send true or false"))
    filled = [] if kept is None else [kept.fill(deployment.task, element) for element in _elements(content)]
    asks, many = _asks(content, deployment, now, limits)
    if kept is not None:
        asks = [ask._replace(notes=(*notes, *ask.notes)) for ask, notes in zip(asks, filled, strict=True)]
        kept.keep(deployment.task, asks)
    return Asked(asks, many, explain)


def read_predict(body: bytes, deployment: Deployment, now: int, limits: Limits) -> tuple[list[Ask], bool]:
    """The rows of a request, and whether it was sent as `instances`.

    Raises:
        MalformedBody: not JSON.
        TooLarge: more rows than the limit.
        MissingFeature, UnknownFeature, InvalidInput: names every fault of every row.
    """
    return _asks(_object(body), deployment, now, limits)


def _object(body: bytes) -> dict[str, Any]:
    content = parse(body)
    if isinstance(content, dict):
        return content
    fix = 'send {"features": {...}}, or {"instances": [{"features": {...}}, ...]}'
    raise InvalidInput("the body is not a JSON object", Fault("body", shown(content), fix))


def _elements(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The elements of a request that may be wrong in any way."""
    elements = content.get("instances", [content])
    return [one if isinstance(one, dict) else {} for one in elements] if isinstance(elements, list) else []


def _asks(content: dict[str, Any], deployment: Deployment, now: int, limits: Limits) -> tuple[list[Ask], bool]:
    faults = Faults()
    if "instances" not in content:
        asks = [_read(content, "", deployment, now, limits, faults)]
        faults.check()
        return asks, False
    elements = _instances(content, limits.rows)
    asks = []
    for index, element in enumerate(elements):
        where = f"instances[{index}]"
        if isinstance(element, dict):
            asks.append(_read(element, f"{where}.", deployment, now, limits, faults))
        else:
            fix = 'send {"features": {...}}'
            faults.add(InvalidInput, f"{where} is not a JSON object", where, shown(element), fix)
    _refuse_repeated(asks, faults)
    faults.check()
    return asks, True


def _instances(content: dict[str, Any], most: int) -> list[Any]:
    elements = content["instances"]
    if not isinstance(elements, list) or not elements:
        fix = 'send a list with at least one {"features": {...}}'
        raise InvalidInput("'instances' is not a list with elements", Fault("instances", shown(elements), fix))
    others = sorted(set(content) - {"instances"})
    if others:
        fix = "put it into each element of 'instances'"
        raise InvalidInput(f"'{others[0][:100]}' stands beside 'instances'", Fault(others[0][:100], "", fix))
    if len(elements) > most:
        fix = f"predict in batches of at most {most} (max_rows)"
        raise TooLarge(
            f"{len(elements)} rows are too many for one request", Fault("instances", str(len(elements)), fix)
        )
    return elements


def _read(element: dict[str, Any], where: str, deployment: Deployment, now: int, limits: Limits, faults: Faults) -> Ask:
    features = element.get("features")
    if not isinstance(features, dict):
        _no_features(element, where, deployment, faults)
        return Ask({}, ())
    row, notes = deployment.rows.read(features, f"{where}features.", faults)
    if len(element) == 1:
        return Ask(row, notes)
    fields = Fields(element, where, faults, InvalidInput)
    fields.only(FIELDS)
    return Ask(
        row,
        notes,
        fields.text("entity"),
        fields.text("unit"),
        fields.moment("at", now, limits.tolerance),
        _prediction_id(fields, deployment, now, limits.tolerance),
    )


def _no_features(element: dict[str, Any], where: str, deployment: Deployment, faults: Faults) -> None:
    names = deployment.task.asked.feature_names
    fix = f'send {{"features": {{...}}}} with: {", ".join(names)}'
    value = shown(element["features"]) if "features" in element else ""
    if any(name in element for name in names):
        fix = f'put the features inside \'features\': {{"features": {{"{names[0]}": ...}}}}'
    faults.add(InvalidInput, "'features' is not an object", f"{where}features", value, fix)


def _prediction_id(fields: Fields, deployment: Deployment, now: int, tolerance: int) -> str | None:
    found = fields.identifier("prediction_id", now, tolerance)
    if found is not None and tag_of(found) != deployment.tag:
        fix = "end it with the tag of this task (tropism.core.identity.task_tag), or leave it out"
        fields.refuse("prediction_id", "the prediction_id was made for another task", fix)
    return found


def _refuse_repeated(asks: list[Ask], faults: Faults) -> None:
    seen: set[str] = set()
    for index, ask in enumerate(asks):
        if ask.prediction_id is None:
            continue
        if ask.prediction_id in seen:
            field = f"instances[{index}].prediction_id"
            faults.add(InvalidInput, "a prediction_id is repeated", field, ask.prediction_id, "make one for each row")
        seen.add(ask.prediction_id)
