from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import Conflict, InvalidInput, NotFound, NotReady, UnknownModel, UnknownTask, UnknownVersion
from tropism.core.task import Feature, Task
from tropism.entrypoints.permuted import Importances, task_of
from tropism.evaluation.losses import losses
from tropism.evaluation.references import reference_scores
from tropism.feedback.joining import moments
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model
from tropism.registry import NewVersion
from tropism.wiring import Platform

Register = Callable[..., int]
Live = Callable[..., list[str]]
DAY = 86_400_000_000


@pytest.fixture(scope="module")
def parity() -> Model:
    """Trees that know what `live` does: odd amounts are fraud. They look at nothing else."""
    inputs = (
        Feature("amount"),
        Feature("country", type="category"),
        Feature("hour"),
        Feature("new_device", type="boolean"),
    )
    task = Task(name="payments", kind="binary", target="is_fraud", features=inputs)
    numbers = np.arange(1_000)
    table = pa.table(
        {
            "amount": (numbers % 50).astype(float),
            "country": [("NL", "BE", "DE")[number % 3] for number in numbers],
            "hour": np.full(1_000, 3.0),
            "new_device": np.full(1_000, True),
        }
    )
    data = Dataset(table, (numbers % 2).astype(float), numbers)
    return fit_model(task, "lightgbm", data, parameters={"num_trees": 40, "num_leaves": 63, "min_data_in_leaf": 5})


@pytest.fixture
def made(platform: Platform, parity: Model) -> Callable[[float], int]:
    """Registers those trees as they were made some days ago."""

    def one(days_ago: float, **data: Any) -> int:
        artifact = store(parity, platform.blobs)
        new = NewVersion(model="payments", artifact=artifact, learner="lightgbm", window="all", data=data)
        return platform.registry.versions.register(new, now=platform.clock.now() - int(days_ago * DAY))

    return one


def test_what_the_model_looks_at_comes_first(platform: Platform, made: Callable[..., int], live: Live) -> None:
    version = made(20)
    live(300, version=version)
    found = Importances(platform).measure("payments", version)
    assert (found.task, found.version, found.metric, found.rows) == ("payments", 1, "brier", 300)
    assert found.in_sample is False
    assert found.loss < 0.05 < found.baseline_loss
    assert found.features[0].features == ("amount",)
    assert [one.rank for one in found.features] == [1, 2, 2, 2]
    amount = found.of("amount")
    assert 0.3 < amount.lower < amount.importance < amount.upper < 0.6
    assert amount.note is None
    for name in ("hour", "new_device"):
        assert found.of(name).note == "it is the same in all of these rows, so permuting it shows nothing"
    assert found.of("country").note == "the interval covers 0: these rows do not show that the model relies on it"


def test_the_losses_are_those_of_the_rows_as_they_are(
    platform: Platform, made: Callable[..., int], live: Live, payments: Task
) -> None:
    made(20)
    live(250, version=1)
    found = Importances(platform).measure("payments", 1, 200)
    table = platform.cohorts.matured(payments, now=platform.clock.now()).table
    labels = table["label"].to_numpy()
    features = pa.table({name: table[f"f_{name}"] for name in payments.feature_names})
    scores = platform.fetch(payments, 1).predict(features)
    assert found.loss == pytest.approx(np.mean(losses("brier", labels, scores)[-200:]), abs=1e-12)
    rules = reference_scores(payments, labels, moments(table, "at"), moments(table, "label_at"))
    means = {rule: np.mean(losses("brier", labels, made)[-200:]) for rule, made in rules.items()}
    assert found.baseline_loss == pytest.approx(min(means.values()))
    assert means[found.baseline] == min(means.values())


def test_rows_it_did_not_learn_from_are_used_alone(platform: Platform, made: Callable[..., int], live: Live) -> None:
    version = made(10)
    live(150, version=version, days_ago=12)
    live(220, version=version, days_ago=8)
    fresh = Importances(platform).measure("payments", version)
    assert (fresh.rows, fresh.in_sample) == (220, False)
    assert Importances(platform).measure("payments", version, 100).rows == 100


def test_too_few_fresh_rows_are_said_to_be_in_sample(platform: Platform, made: Callable[..., int], live: Live) -> None:
    version = made(10)
    live(150, version=version, days_ago=12)
    live(50, version=version, days_ago=8)
    found = Importances(platform).measure("payments", version)
    assert (found.rows, found.in_sample) == (200, True)
    assert Importances(platform).measure("payments", version, 50).in_sample is False


def test_rows_taken_after_the_version_was_made_count_as_learnt(
    platform: Platform, made: Callable[..., int], live: Live
) -> None:
    version = made(20, now=platform.clock.now() - 5 * DAY)
    live(250, version=version)
    assert Importances(platform).measure("payments", version).in_sample is True


def test_the_champion_is_measured_where_no_version_is_named(
    platform: Platform, register: Register, promote: Callable[..., str], live: Live
) -> None:
    live(60)
    register(1)
    register(2)
    with pytest.raises(InvalidInput, match="no champion"):
        Importances(platform).measure("payments")
    promote(2)
    assert Importances(platform).measure("payments").version == 2


def test_groups_are_ranked_as_one(
    platform: Platform, made: Callable[..., int], live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shop's features are not alike, so a lower bar makes them so."""
    made(20)
    live(250, version=1)
    alone = Importances(platform).measure("payments", 1)
    assert all(len(one.features) == 1 for one in alone.features)
    monkeypatch.setattr(
        "tropism.entrypoints.permuted.correlated", lambda matrix, columns: [[columns[0], columns[1]], [columns[2]]]
    )
    grouped = Importances(platform).measure("payments", 1, grouped=True)
    assert {one.features for one in grouped.features} == {("amount", "hour"), ("country",), ("new_device",)}
    assert grouped.of("hour") is grouped.of("amount")
    apart = Importances(platform).measure("payments", 1)
    note = apart.of("amount").note
    assert note is not None and "correlates above 0.9 with hour" in note


def test_the_same_rows_are_not_measured_twice(
    platform: Platform, made: Callable[..., int], live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(20)
    live(60, version=1)
    importances, shares = Importances(platform), list[float]()
    first = importances.measure("payments", 1, progress=shares.append)
    assert shares[-1] == pytest.approx(1)
    assert importances.measure("payments", 1, progress=shares.append) is first
    assert shares[-1] == pytest.approx(1) and len(shares) == 40
    live(10, version=1)
    assert importances.measure("payments", 1).rows == 70
    assert importances.measure("payments", 1, 40).rows == 40


def test_callers_take_turns(platform: Platform, made: Callable[..., int], live: Live) -> None:
    made(20)
    live(60, version=1)
    importances, begun, found = Importances(platform), list[float](), list[Any]()

    def ask() -> None:
        found.append(importances.measure("payments", 1, progress=begun.append))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == 40
    assert len(found) == 4 and all(one is found[0] for one in found)


def test_a_caller_whose_turn_does_not_come_is_told(
    platform: Platform, made: Callable[..., int], live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(20)
    live(60, version=1)
    importances, begun, done = Importances(platform), threading.Event(), threading.Event()

    def hold(share: float) -> None:
        begun.set()
        done.wait(20)

    first = threading.Thread(target=importances.measure, args=("payments", 1), kwargs={"progress": hold})
    first.start()
    assert begun.wait(20)
    monkeypatch.setattr("tropism.entrypoints.permuted._PATIENCE", 0.01)
    with pytest.raises(NotReady, match="other importances"):
        importances.measure("payments", 1)
    done.set()
    first.join()
    assert importances.measure("payments", 1).rows == 60


def test_what_there_is_not_is_named(platform: Platform, register: Register, live: Live) -> None:
    importances = Importances(platform)
    with pytest.raises(UnknownTask):
        importances.measure("nix")
    with pytest.raises(UnknownModel):
        importances.measure("payments", 1)
    register(1)
    with pytest.raises(UnknownVersion):
        importances.measure("payments", 9)
    with pytest.raises(Conflict, match="too few matured") as raised:
        importances.measure("payments", 1)
    assert raised.value.faults[0].value == "0"
    live(100, version=1, days_ago=1)
    with pytest.raises(Conflict, match="too few matured"):
        importances.measure("payments", 1)
    live(60, version=1)
    with pytest.raises(NotFound) as unknown:
        importances.measure("payments", 1).of("nix")
    assert "amount, country, hour, new_device" in unknown.value.faults[0].fix


def test_a_version_in_quarantine_is_not_run(
    platform: Platform, register: Register, promote: Callable[..., str], live: Live
) -> None:
    live(60)
    register(1)
    promote(1)
    platform.registry.quarantine.put("payments", 1, reason="it crashed", now=platform.clock.now(), actor="data-plane")
    with pytest.raises(Conflict, match="quarantine"):
        Importances(platform).measure("payments", 1)


def test_the_task_of_a_feature(platform: Platform, payments: Task, project: Path) -> None:
    assert task_of(platform, "amount", None) == "payments"
    assert task_of(platform, "amount", "payments") == "payments"
    with pytest.raises(NotFound, match="no task has such a feature"):
        task_of(platform, "nix", None)
    with pytest.raises(NotFound, match="'payments' has no such feature") as raised:
        task_of(platform, "nix", "payments")
    assert raised.value.faults[0].fix == "use one of: amount, country, hour, new_device"
    other = msgspec.structs.replace(payments, name="refunds", features=(Feature("amount"), Feature("spend.count_7d")))
    platform.registry.tasks.apply(other, platform.clock.now())
    assert task_of(platform, "spend.count_7d", None) == "refunds"
    with pytest.raises(InvalidInput, match="2 tasks") as several:
        task_of(platform, "amount", None)
    assert (several.value.faults[0].field, several.value.faults[0].fix) == ("task", "name one of: payments, refunds")
