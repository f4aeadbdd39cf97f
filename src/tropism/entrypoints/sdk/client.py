"""The blocking client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

import httpx

from tropism.core.clock import SystemClock
from tropism.entrypoints.sdk.calls import Calls
from tropism.entrypoints.sdk.connection import BATCH, DEFAULT_URL, RETRIES, TIMEOUT, lost, options, reply
from tropism.entrypoints.sdk.exchange import Pause
from tropism.entrypoints.sdk.feature_calls import FeatureCalls

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tropism.core.clock import Clock
    from tropism.entrypoints.sdk.calls import OutcomeItem
    from tropism.entrypoints.sdk.exchange import Event, Flow, Request, Result
    from tropism.entrypoints.sdk.results import Accepted, EntityFeatures, Prediction, Pushed
    from tropism.entrypoints.sdk.values import Moment


class Client:
    """Talks to a running Tropism. Safe from several threads.

    `timeout`: seconds for one attempt. `retries`: further attempts when the server is away or busy; repeating is
    safe, since ids are made here. `batch`: most rows of one request. `clock`: for ids, where time is virtual.

    Calls raise the errors of `tropism.sdk`: `UnknownTask`, `MissingFeature`, `InvalidOutcome` and so on for what
    cannot be used, `NotReady` when Tropism is away.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        batch: int = BATCH,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(**options(base_url, timeout), transport=transport)
        self._calls = Calls(retries, batch, clock or SystemClock())
        self._features = FeatureCalls(retries, batch, clock or SystemClock())

    def predict(
        self,
        task: str,
        features: Mapping[str, Any] | None = None,
        /,
        *,
        entity: str | None = None,
        unit: str | None = None,
        at: Moment | None = None,
        **more: Any,
    ) -> Prediction:
        """A prediction from features, given as a mapping, as keywords, or both.

        `at`: when it is made, now if not given. `entity`: what it is about, so that outcomes can name it.
        `unit`: what an experiment assigns by.
        """
        return self._run(self._calls.predict(task, {**(features or {}), **more}, entity, unit, at))

    def predict_many(
        self,
        task: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        entities: Sequence[str | None] | None = None,
        units: Sequence[str | None] | None = None,
        at: Moment | Sequence[Moment | None] | None = None,
    ) -> list[Prediction]:
        """Predictions in the order of the rows. `at` is one time for all, or one a row."""
        return self._run(self._calls.predict_many(task, rows, entities, units, at))

    def outcome(
        self,
        prediction: Prediction | str,
        value: Any = None,
        *,
        at: Moment | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> str:
        """Records what turned out to be true of a prediction; returns the outcome's id.

        `values`: figures by name that experiments compare, such as {"revenue": 12.5}; with or without a `value`.
        """
        return self._run(self._calls.outcome(prediction, value, at, values))

    def outcomes(self, items: Iterable[OutcomeItem]) -> Accepted:
        """Records many outcomes: (prediction or id, outcome), or mappings with `task`, `entity`, `at`, `outcome`,
        `values`.

        Each batch is recorded as a whole or not at all.
        """
        return self._run(self._calls.outcomes(items))

    def push(self, stream: str, events: Iterable[Mapping[str, Any]], id: str | None = None) -> Pushed:  # noqa: A002
        """Pushes events into a stream, each a mapping with a value for each column; returns how many were recorded,
        and those that rules kept out.

        `id`: of the push; events that came with it within a day count once. It is made here if not given, so that
        retries are safe. Many events are sent in batches, each recorded as a whole or not at all.

        client.push("payments", [{"account_id": "a-17", "amount": "12.50", "at": datetime.now(UTC)}])
        """
        return self._run(self._features.push(stream, events, id))

    def features(
        self, names: Sequence[str], rows: Iterable[Mapping[str, Any]], at: Moment | None = None
    ) -> list[EntityFeatures]:
        """Features of each row, in their order, as they are now: by name (`spend.count_7d`), or of a whole view
        (`spend`). A row has the keys of the entities, and what on-demand features are computed from besides.

        `at`: another moment than now, if what the store holds is not younger; see `docs/features.md`.

        [found] = client.features(["spend.count_7d", "amount_ratio"], [{"account_id": "a-17", "amount": 20}])
        found.values["spend.count_7d"]
        """
        return self._run(self._features.features(names, rows, at))

    def feature_list(self) -> list[dict[str, Any]]:
        """Every feature that is served: type, view, source, tasks that use it, how far it has come.

        [one["name"] for one in client.feature_list() if (one["lag"] or 0) > 60]
        """
        return self._run(self._features.feature_list())

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Returns once predictions are served. Raises `NotReady` after `timeout` seconds."""
        self._run(self._calls.wait_ready(timeout))

    def task(self, name: str) -> TaskHandle:
        """The same calls, bound to a task."""
        return TaskHandle(self, name)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, flow: Flow[Result]) -> Result:
        came: Event = None
        while True:
            try:
                step = flow.send(came)
            except StopIteration as done:
                result: Result = done.value
                return result
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                came = None
            else:
                came = self._send(step)

    def _send(self, request: Request) -> Event:
        try:
            return reply(self._http.request(request.method, request.path, content=request.body))
        except httpx.TransportError as error:
            return lost(self._http.base_url, error)


class TaskHandle:
    """A client's calls, bound to one task."""

    def __init__(self, client: Client, name: str) -> None:
        self.name = name
        self._client = client

    def predict(
        self,
        features: Mapping[str, Any] | None = None,
        /,
        *,
        entity: str | None = None,
        unit: str | None = None,
        at: Moment | None = None,
        **more: Any,
    ) -> Prediction:
        """As `Client.predict`."""
        return self._client.predict(self.name, {**(features or {}), **more}, entity=entity, unit=unit, at=at)

    def predict_many(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        entities: Sequence[str | None] | None = None,
        units: Sequence[str | None] | None = None,
        at: Moment | Sequence[Moment | None] | None = None,
    ) -> list[Prediction]:
        """As `Client.predict_many`."""
        return self._client.predict_many(self.name, rows, entities=entities, units=units, at=at)

    def outcome(self, entity: str, value: Any = None, *, at: Moment, values: Mapping[str, Any] | None = None) -> str:
        """Records what turned out to be true of an entity at a time; returns the outcome's id. `values`: as there."""
        item = {"task": self.name, "entity": entity, "at": at, "values": values or {}}
        if value is not None or not values:
            item["outcome"] = value
        return self._client.outcomes([item]).outcome_ids[0]
