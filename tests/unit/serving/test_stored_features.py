from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.unit.features.store.world import START, World

from tropism.core.clock import SECOND
from tropism.core.errors import InvalidInput, MissingFeature, NotReady, UnknownFeature
from tropism.core.events import Prediction, Served
from tropism.core.privacy import JournalPolicy
from tropism.core.task import Feature, Task
from tropism.features.store import FeatureReader, Read, bind
from tropism.serving import Deployment, ServedModel, Snapshot
from tropism.serving.predictions import Predictions

HOUR = 3_600 * SECOND


class SeenModel:
    """Remembers the rows it is asked about."""

    def __init__(self, stub: Any) -> None:
        self.encoding = stub(0.5).encoding
        self.rows: list[Mapping[str, Any]] = []

    def predict_rows(self, rows: Sequence[Mapping[str, Any]], at: Any = None) -> Any:
        self.rows += rows
        return np.full((len(rows), 1), 0.25)


class Shop:
    """A task with views that is served, and its stores, ten hours after START."""

    def __init__(self, desk: Any, root: Path, stub: Any) -> None:
        self.desk, self.world = desk, World(root)
        self.world.clock = desk.clock
        self.world.profiles(("a", 0, "gold", "100.00"))
        self.at(10)
        self.world.push(("a", 8, "10.00", "m1"), ("a", 9, "20.00", "m2"))
        self.world.follow()
        self.world.materialise("profile")
        self.model = SeenModel(stub)
        features = (Feature("amount"), Feature("spend.count_7d", default=-1.0))
        views = ("spend.count_7d", "profile", "amount_ratio")
        self.serve(Task(name="fraud", kind="binary", target="fraud", features=features, views=views))

    def at(self, hours: float) -> None:
        self.desk.clock.set(START + int(hours * HOUR))

    def serve(self, task: Task, reader: Any = None) -> None:
        bound = bind(task, self.world.definitions)
        names = [one.name for one in bound.features if one.view]
        found = reader or FeatureReader(self.world.definitions, names, self.world.online, self.world.windows)
        deployment = Deployment(bound, ServedModel(1, self.model), features=found)
        self.desk.holder.current = Snapshot(1, {"fraud": deployment})

    async def ask(self, content: Any) -> Any:
        return json.loads(await Predictions(self.desk.parts).predict("fraud", json.dumps(content).encode()))

    @property
    def recorded(self) -> Prediction:
        event = self.desk.recorded()[-1]
        assert isinstance(event, Prediction)
        return event


@pytest.fixture
def shop(desk: Any, tmp_path: Path, stub_model: Any) -> Shop:
    made = Shop(desk, tmp_path, stub_model)
    made.at(11)
    return made


ROW = {
    "amount": 30.0,
    "spend.count_7d": 2.0,
    "profile.segment": "gold",
    "profile.limit": 100.0,
    "amount_ratio": 2.0,
}


async def test_the_model_sees_what_was_sent_and_what_is_stored(shop: Shop) -> None:
    reply = await shop.ask({"features": {"amount": 30, "account_id": "a"}})
    assert (reply["degraded"], reply["warnings"]) == ([], [])
    assert shop.model.rows == [ROW]
    assert list(shop.model.rows[0]) == list(ROW)


async def test_the_record_says_where_the_features_came_from(shop: Shop) -> None:
    await shop.ask({"features": {"amount": 30, "account_id": "a"}})
    assert shop.recorded.features == ROW
    known = dict.fromkeys(("spend@1", "profile@1"), START + 10 * HOUR)
    assert shop.recorded.served == Served(keys={"account_id": "a"}, at=START + 11 * HOUR, known=known)


async def test_many_rows_each_get_their_own_entity_and_moment(shop: Shop) -> None:
    rows = [("a", 10.5), ("b", 10.75), ("a", None), (None, 10.5)]
    instances = [
        {"features": {"amount": 1, "account_id": key}} | ({} if hour is None else {"at": START + int(hour * HOUR)})
        for key, hour in rows
    ]
    reply = await shop.ask({"instances": instances})
    assert [row["spend.count_7d"] for row in shop.model.rows] == [2.0, 0.0, 2.0, 0.0]
    assert [bool(one["warnings"]) for one in reply["predictions"]] == [False, True, False, True]


async def test_a_whole_number_names_an_entity_too(shop: Shop) -> None:
    shop.world.profiles((17, 0, "iron", "1.00"))
    shop.world.materialise("profile")
    await shop.ask({"features": {"amount": 30, "account_id": 17}})
    assert shop.model.rows[0]["profile.segment"] == "iron"


@pytest.mark.parametrize(
    ("features", "error", "field"),
    [
        ({"amount": 30}, MissingFeature, "features.account_id"),
        ({"amount": 30, "account_id": 1.5}, InvalidInput, "features.account_id"),
        ({"amount": 30, "account_id": "a", "profile.limit": 1}, UnknownFeature, "features.profile.limit"),
    ],
)
async def test_what_is_missing_or_too_much_is_named(
    shop: Shop, features: Any, error: type[Exception], field: str
) -> None:
    with pytest.raises(error) as refused:
        await shop.ask({"features": features})
    assert refused.value.faults[0].field == field  # type: ignore[attr-defined]
    assert shop.desk.recorded() == []


class Away:
    remote = True

    def read(self, keys: Any, requests: Any, now: int, at: int | None = None) -> list[Read]:
        raise NotReady("the online store is away")


async def test_a_store_that_is_away_leaves_defaults_and_says_so(shop: Shop) -> None:
    deployment = shop.desk.holder.current.deployments["fraud"]
    shop.serve(deployment.task, Away())
    reply = await shop.ask({"features": {"amount": 30, "account_id": "a"}})
    assert reply["degraded"] == ["features-unavailable"]
    assert (reply["version"], reply["variant"]) == (1, "champion")
    nothing = {"profile.segment": None, "profile.limit": None, "amount_ratio": None}
    assert shop.model.rows == [{"amount": 30.0, "spend.count_7d": -1.0, **nothing}]
    assert shop.recorded.served is None


async def test_of_a_private_task_no_keys_are_recorded(shop: Shop) -> None:
    deployment = shop.desk.holder.current.deployments["fraud"]
    shop.serve(msgspec.structs.replace(deployment.task, journal=JournalPolicy(redact=("amount",))))
    await shop.ask({"features": {"amount": 30, "account_id": "a"}})
    assert shop.recorded.served is None
    assert "a" not in shop.recorded.features.values()


async def test_an_on_demand_feature_that_fails_is_named(shop: Shop) -> None:
    class Failing:
        remote = False

        def read(self, *_: Any) -> list[Read]:
            raise InvalidInput("'amount_ratio' failed")

    shop.serve(shop.desk.holder.current.deployments["fraud"].task, Failing())
    with pytest.raises(InvalidInput, match="amount_ratio"):
        await shop.ask({"features": {"amount": 30, "account_id": "a"}})
