"""Both clients against a real data plane; the blocking one through a transport that runs it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tropism.core.clock import SystemClock
from tropism.core.events import Outcome, Prediction, Value, decode
from tropism.core.identity import Identifiers
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.data_plane import DataPlane
from tropism.entrypoints.sdk.async_client import AsyncClient, AsyncTaskHandle
from tropism.entrypoints.sdk.client import Client, TaskHandle
from tropism.learners.encoding import Encoding, EncodingFacts
from tropism.sdk import InvalidInput, InvalidOutcome, MissingFeature, NotReady, SettingInvalid, UnknownTask
from tropism.serving import Deployment, HttpSettings, ServedModel, Snapshot, SnapshotHolder
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter


class Demand:
    """The probability is the demand."""

    encoding = Encoding(EncodingFacts("codes", ()))

    def predict_rows(self, rows: Sequence[Mapping[str, Value]], at: Any = None) -> Any:
        return np.array([[row["demand"]] for row in rows], np.float64)


class Server(httpx.BaseTransport):
    """Runs the application in this process. `trouble` may fail a request before or after it was handled."""

    def __init__(self, app: DataPlane) -> None:
        self.app = app
        self.requests: list[httpx.Request] = []
        self.trouble: Callable[[int], httpx.TransportError | None] = lambda count: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run(self.answer(request))

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        response = await httpx.ASGITransport(self.app).handle_async_request(request)
        content = await response.aread()
        error = self.trouble(len(self.requests))
        if error is not None:
            raise error
        return httpx.Response(response.status_code, headers=response.headers, content=content)


class World:
    def __init__(self, root: Path) -> None:
        self.root = root
        task = Task(name="price", kind="binary", target="up", features=(Feature("demand"),), entity="house")
        self.holder = SnapshotHolder(Snapshot(1, {"price": Deployment(task, ServedModel(1, Demand()))}))
        self.journal = JournalWriter(root, JournalSettings(fsync="os", reserve=0))
        self.server = Server(
            DataPlane(
                holder=self.holder,
                journal=self.journal,
                clock=SystemClock(),
                identifiers=Identifiers(),
                settings=HttpSettings(max_rows=10),
            )
        )

    def client(self, **options: Any) -> Client:
        return Client(transport=self.server, **options)

    def events(self) -> list[Prediction | Outcome]:
        found = [event for record in JournalReader(self.root).read({}) for event in decode(record.payload)]
        return [event for event in found if isinstance(event, Prediction | Outcome)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.journal.close()


def test_predict_and_outcome(world: World) -> None:
    with world.client() as client:
        made = client.predict("price", demand=np.float32(0.75), entity="h1", at="2023-11-14T00:00:00Z")
        assert (made.prediction, made.probabilities, made.version) == (True, {"false": 0.25, "true": 0.75}, 1)
        told = client.outcome(made, np.bool_(True), at=1_700_000_000_000_000)
        first, second = world.events()
        assert isinstance(first, Prediction)
        assert (first.id, first.entity, first.at) == (made.prediction_id, "h1", 1_699_920_000_000_000)
        assert isinstance(second, Outcome)
        assert (second.id, second.prediction_id, second.value) == (told, made.prediction_id, 1.0)
        assert second.at == 1_700_000_000_000_000


def test_many_rows_are_sent_in_batches_that_the_server_takes(world: World) -> None:
    rows = [{"demand": n / 100} for n in range(25)]
    with world.client(batch=16) as client:
        made = client.predict_many("price", rows, entities=[f"h{n}" for n in range(25)], at=5)
    assert [one.probabilities and one.probabilities["true"] for one in made] == [n / 100 for n in range(25)]
    kept = world.events()
    assert [event.entity for event in kept] == [f"h{n}" for n in range(25)]
    assert {event.at for event in kept} == {5}


def test_many_outcomes_in_every_form(world: World) -> None:
    with world.client() as client:
        made = client.predict_many("price", [{"demand": 0.1}] * 3)
        items: list[Any] = [
            (made[0], False),
            (made[1].prediction_id, 1),
            {"prediction_id": made[2], "outcome": True},
            {"task": "price", "entity": "h", "at": 5, "outcome": False},
        ]
        assert client.outcomes(items).accepted == 4
    told = [event for event in world.events() if isinstance(event, Outcome)]
    assert [event.value for event in told] == [0.0, 1.0, 1.0, 0.0]


def test_figures_are_sent_with_a_label_or_alone(world: World) -> None:
    with world.client() as client:
        made = client.predict("price", demand=0.5)
        client.outcome(made, True, values={"revenue": np.float32(12.5)})
        client.outcome(made, values={"revenue": 3, "returned": True})
        client.outcomes([{"prediction_id": made, "values": {"revenue": 4}}])
        client.task("price").outcome("h", at=5, values={"revenue": 5})
        with pytest.raises(InvalidOutcome) as caught:
            client.outcome(made, values={"revenue": "much"})
        assert caught.value.faults[0].field.endswith("values.revenue")
    told = [event for event in world.events() if isinstance(event, Outcome)]
    assert [(event.value, event.values) for event in told] == [
        (1.0, {"revenue": 12.5}),
        (None, {"revenue": 3.0, "returned": 1.0}),
        (None, {"revenue": 4.0}),
        (None, {"revenue": 5.0}),
    ]


def test_a_reply_that_was_lost_is_the_same_prediction_again(world: World) -> None:
    world.server.trouble = lambda count: httpx.ReadError("cut") if count == 1 else None
    with world.client() as client:
        made = client.predict("price", {"demand": 0.5})
    assert [event.id for event in world.events()] == [made.prediction_id] * 2


def test_a_lost_outcome_is_the_same_outcome_again(world: World) -> None:
    with world.client() as client:
        made = client.predict("price", {"demand": 0.5})
        world.server.trouble = lambda count: httpx.ReadError("cut") if count == 2 else None
        told = client.outcome(made.prediction_id, True)
    assert [event.id for event in world.events()[1:]] == [told] * 2


def test_errors_are_those_of_the_server(world: World) -> None:
    with world.client() as client:
        with pytest.raises(UnknownTask):
            client.predict("prise", demand=1)
        with pytest.raises(MissingFeature) as caught:
            client.task("price").predict()
        assert caught.value.faults[0].field == "features.demand"
        made = client.predict("price", demand=0.5)
        with pytest.raises(InvalidOutcome):
            client.outcome(made, "up")
        with pytest.raises(InvalidInput):
            client.outcomes([(made,)])
        with pytest.raises(InvalidInput):
            client.predict_many("price", [{"demand": 1}], entities=["a", "b"])


def test_without_a_server_there_is_a_remedy(world: World) -> None:
    world.server.trouble = lambda count: httpx.ConnectError("refused")
    with world.client(retries=0) as client:
        with pytest.raises(NotReady) as caught:
            client.predict("price", demand=1)
        assert "tropism up" in str(caught.value)
        with pytest.raises(NotReady) as caught:
            client.wait_ready(timeout=0)
        assert "not ready after 0 s" in caught.value.message


def test_readiness_is_waited_for(world: World) -> None:
    snapshot, world.holder.current = world.holder.current, None

    def appear(count: int) -> None:
        world.holder.current = snapshot if count > 1 else None

    world.server.trouble = appear
    with world.client() as client:
        client.wait_ready()
    assert len(world.server.requests) == 3


def test_an_address_that_is_no_url_is_named() -> None:
    for address in ("localhost:8700", "ftp://host", "", "http://"):
        with pytest.raises(SettingInvalid):
            Client(address)


def test_a_task_handle_is_the_client_bound_to_a_task(world: World) -> None:
    with world.client() as client:
        price = client.task("price")
        assert price.predict(demand=0.2).model == "price"
        assert len(price.predict_many([{"demand": 0.2}, {"demand": 0.3}], at=[1, None])) == 2
        price.outcome("h", True, at=5)
    last = world.events()[-1]
    assert isinstance(last, Outcome)
    assert (last.task, last.entity) == ("price", "h")


async def test_the_async_client_does_the_same(world: World) -> None:
    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await world.server.answer(request)

    world.server.trouble = lambda count: httpx.ReadError("cut") if count == 1 else None
    async with AsyncClient(transport=Transport()) as client:
        made = await client.predict("price", demand=0.75)
        await client.outcome(made, True)
        await client.wait_ready()
        price = client.task("price")
        await price.predict_many([{"demand": 0.2}])
        await price.outcome("h", True, at=5)
        with pytest.raises(MissingFeature):
            await price.predict()
    assert len(world.events()) == 5


@pytest.mark.parametrize(("blocking", "other"), [(Client, AsyncClient), (TaskHandle, AsyncTaskHandle)])
def test_both_colours_have_the_same_methods(blocking: type, other: type) -> None:
    def surface(kind: type) -> dict[str, list[tuple[str, Any]]]:
        public = {name: method for name, method in vars(kind).items() if not name.startswith("_") and callable(method)}
        return {
            name: [(p.name, p.kind) for p in inspect.signature(m).parameters.values()] for name, m in public.items()
        }

    assert surface(blocking) == surface(other)
