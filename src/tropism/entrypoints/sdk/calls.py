"""The client's calls as flows: what is sent, and what its reply means. No I/O."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from tropism.core.errors import Fault, InvalidInput, NotReady, TooLarge
from tropism.core.identity import Identifiers, is_id, tag_of, task_tag
from tropism.entrypoints.sdk.exchange import Pause, Reply, Request, decoded, exchange
from tropism.entrypoints.sdk.results import Accepted, Prediction, Predictions
from tropism.entrypoints.sdk.values import Moment, moment, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tropism.core.clock import Clock
    from tropism.entrypoints.sdk.exchange import Flow

OutcomeItem = Mapping[str, Any] | tuple[Any, ...]
"""(prediction or its id, outcome), the same with a time as third, or the fields that the HTTP interface takes, such as
`values`."""
_READY_PAUSE = 0.2


class Calls:
    """Builds the flows of one client. `batch`: most rows of a request."""

    def __init__(self, retries: int, batch: int, clock: Clock) -> None:
        self._retries = retries
        self._batch = batch
        self._clock = clock
        self._identifiers = Identifiers()

    def predict(
        self, task: str, features: Mapping[str, Any], entity: str | None, unit: str | None, at: Moment | None
    ) -> Flow[Prediction]:
        """One prediction. Its id is made here, so a repeated request is the same prediction."""
        element = self._element(task, features, "features.", entity, unit, at)
        body = yield from exchange(_predict(task, element), self._retries)
        return decoded(body, Prediction)

    def predict_many(
        self,
        task: str,
        rows: Iterable[Mapping[str, Any]],
        entities: Sequence[str | None] | None,
        units: Sequence[str | None] | None,
        at: Moment | Sequence[Moment | None] | None,
    ) -> Flow[list[Prediction]]:
        """Predictions in the order of the rows, asked for in batches."""
        listed = list(rows)
        length = len(listed)
        named = _of_length("entities", entities, length)
        united = _of_length("units", units, length)
        moments: Sequence[Any] = _of_length("at", at, length) if _is_list(at) else [at] * length
        elements = [
            self._element(task, row, f"rows[{i}].", named[i], united[i], moments[i]) for i, row in enumerate(listed)
        ]
        made: list[Prediction] = []
        for start in range(0, length, self._batch):
            made += yield from self._batch_of(task, elements[start : start + self._batch])
        return made

    def _batch_of(self, task: str, elements: list[dict[str, Any]]) -> Flow[Sequence[Prediction]]:
        try:
            body = yield from exchange(_predict(task, {"instances": elements}), self._retries)
        except TooLarge:  # the server takes less at a time than we thought
            if len(elements) == 1:
                raise
            half = len(elements) // 2
            first = yield from self._batch_of(task, elements[:half])
            second = yield from self._batch_of(task, elements[half:])
            return [*first, *second]
        return decoded(body, Predictions).predictions

    def _element(
        self,
        task: str,
        features: Mapping[str, Any],
        where: str,
        entity: str | None,
        unit: str | None,
        at: Moment | None,
    ) -> dict[str, Any]:
        element: dict[str, Any] = {"features": {name: plain(features[name], where + name) for name in features}}
        now = self._clock.now() if at is None else moment(at)
        element["prediction_id"] = self._identifiers.new(now, task_tag(task))
        if at is not None:
            element["at"] = now
        if entity is not None:
            element["entity"] = entity
        if unit is not None:
            element["unit"] = unit
        return element

    def outcomes(self, items: Iterable[OutcomeItem]) -> Flow[Accepted]:
        """Outcomes, sent in batches. Their ids are made here, so a repeated request is the same outcomes."""
        elements = [self._outcome(item, f"outcomes[{index}]") for index, item in enumerate(items)]
        ids: list[str] = []
        for start in range(0, len(elements), self._batch):
            content = msgspec.json.encode({"outcomes": elements[start : start + self._batch]})
            body = yield from exchange(Request("POST", "/v1/outcomes", content), self._retries)
            ids += decoded(body, Accepted).outcome_ids
        return Accepted(len(ids), tuple(ids))

    def outcome(
        self, prediction: Prediction | str, value: Any, at: Moment | None, values: Mapping[str, Any] | None = None
    ) -> Flow[str]:
        """One outcome; returns its id. Without a value it carries only figures."""
        item: dict[str, Any] = {"prediction_id": prediction}
        if at is not None:
            item["at"] = at
        if value is not None or not values:
            item["outcome"] = value
        if values:
            item["values"] = values
        content = msgspec.json.encode(self._outcome(item, "outcome"))
        body = yield from exchange(Request("POST", "/v1/outcomes", content), self._retries)
        return decoded(body, Accepted).outcome_ids[0]

    def _outcome(self, item: OutcomeItem, where: str) -> dict[str, Any]:
        element = dict(item) if isinstance(item, Mapping) else _from_tuple(item, where)
        if isinstance(element.get("prediction_id"), Prediction):
            element = {"task": element["prediction_id"].model, **element}
            element["prediction_id"] = element["prediction_id"].prediction_id
        if element.get("at") is not None:
            element["at"] = moment(element["at"], f"{where}.at")
        if "outcome" in element or not element.get("values"):
            element["outcome"] = plain(element.get("outcome"), f"{where}.outcome")
        if isinstance(element.get("values"), Mapping):
            figures = element["values"]
            element["values"] = {name: plain(figures[name], f"{where}.values.{name}") for name in figures}
        element.setdefault("id", self._identifiers.new(self._clock.now(), _tag(element)))
        return element

    def wait_ready(self, timeout: float, now: Callable[[], float] = time.monotonic) -> Flow[None]:
        """Returns once the server has models to serve. Raises `NotReady` after `timeout` seconds."""
        deadline = now() + timeout
        while True:
            came = yield Request("GET", "/readyz")
            if isinstance(came, Reply) and came.status == 200:
                return
            if now() >= deadline:
                try:
                    yield from exchange(Request("GET", "/readyz"), 0)
                    return
                except NotReady as error:
                    message = f"not ready after {timeout:g} s: {error.message}"
                    raise NotReady(message, *error.faults) from error
            yield Pause(_READY_PAUSE)


def _predict(task: str, content: dict[str, Any]) -> Request:
    return Request("POST", f"/v1/tasks/{quote(task, safe='')}/predict", msgspec.json.encode(content))


def _is_list(value: object) -> bool:
    """Also for arrays and columns, which are no `Sequence`."""
    return hasattr(value, "__len__") and not isinstance(value, str)


def _of_length(name: str, given: Any, length: int) -> Sequence[Any]:
    if given is None:
        return [None] * length
    values = list(given)
    if len(values) != length:
        fault = Fault(name, f"{len(values)} for {length} rows", "give one for each row, or None")
        raise InvalidInput(f"{name} does not fit the rows", fault)
    return values


def _from_tuple(item: tuple[Any, ...], where: str) -> dict[str, Any]:
    if len(item) not in (2, 3):
        fault = Fault(where, f"{len(item)} elements", "give (prediction or id, outcome), or a mapping")
        raise InvalidInput(f"{where} is not an outcome", fault)
    element = {"prediction_id": item[0], "outcome": item[1]}
    return {**element, "at": item[2]} if len(item) == 3 and item[2] is not None else element


def _tag(element: Mapping[str, Any]) -> int:
    prediction_id, task = element.get("prediction_id"), element.get("task")
    if isinstance(prediction_id, str) and is_id(prediction_id):
        return tag_of(prediction_id)
    return task_tag(task) if isinstance(task, str) else 0
