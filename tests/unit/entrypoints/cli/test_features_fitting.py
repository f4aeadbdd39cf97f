"""A pipeline that is fitted by a command, applied, and served, with the bits that it has in training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from tests.unit.serving.conftest import Desk, StubModel

from tropism.config import load_settings
from tropism.core.task import task_value
from tropism.features.store import FeatureReader
from tropism.features.transformations import FittedPipeline, Pipeline, TargetEncoding
from tropism.featurestore.training_sets import make_training_set
from tropism.project import load_pipelines
from tropism.serving import Deployment, ServedModel, Snapshot
from tropism.serving.predictions import Predictions
from tropism.wiring import Platform, apply_project, open_platform

Command = Callable[..., Any]
NOW = datetime.now(UTC)
DECLARED = """\
from datetime import datetime
from tropism import Feature, Task
from tropism.features import Decimal, Entity, FeatureView, StreamSource, agg, pipeline_features
from tropism.features.transformations import Log, OneHot, Pipeline, TargetEncoding, TimeParts, ZScore

account = Entity("account", key="account_id")
payments = StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": Decimal(2)})
spend = FeatureView("spend", entity=account, source=payments, fields=[agg.mean("amount", "30d"), agg.count("7d")])
scaling = Pipeline(
    {"amount": Decimal(2), "mean": float, "card": str, "at": datetime},
    (
        Log("amount", offset=1.0),
        ZScore("log_amount"),
        ZScore("mean"),
        OneHot("card"),
        TargetEncoding("card", smoothing=1.0),
        TimeParts("at", zone="Europe/Zurich"),
    ),
)
"""
SERVED = """\
scaled = pipeline_features("scaling.json", {"mean": "spend.mean_amount_30d", "at": "when"}, prefix="scaled_")
sent = (Feature("amount"), Feature("card", "category"), Feature("when", "category"))
fraud = Task(name="fraud", kind="binary", target="fraud", features=sent, views=tuple(one.name for one in scaled))
"""
PRICES = ("1.10", "20.30", "7.70", "0.30", "1999.99")
OUTPUTS = [
    "log_amount",
    "zscore_log_amount",
    "zscore_mean",
    "card=debit",
    "card=St. Gallen",
    "card_other",
    "target_card",
    "at_hour",
    "at_weekday",
    "at_is_weekend",
    "at_is_business_hours",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose stream has a history. Its pipeline is to be served, but is not fitted yet."""
    found = tmp_path / "store"
    found.mkdir()
    (found / "project.py").write_text(DECLARED + 'task = Task(name="t", kind="binary", target="y", views=("spend",))\n')
    apply_project(load_settings(found, environment={}))
    history = {
        "account_id": ["a"] * len(PRICES) + ["b"] * len(PRICES),
        "amount": [Decimal(one) for one in (*PRICES, *PRICES[::-1])],
        "at": [NOW - timedelta(days=20 - place) for place in range(2 * len(PRICES))],
    }
    pq.write_table(pa.table(history), tmp_path / "history.parquet")
    (found / "project.py").write_text(DECLARED + SERVED)
    return found


@pytest.fixture
def features(tropism: Command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`tropism -C store features ARGUMENTS`, from another folder than the project's."""
    monkeypatch.chdir(tmp_path)
    assert tropism("-C", folder, "features", "backfill", "payments", "history.parquet").code == 0
    return lambda *arguments: tropism("-C", folder, "features", *arguments)


@pytest.fixture
def labels(tmp_path: Path) -> pa.Table:
    """Twenty labels, half a day apart, in a file."""
    table = pa.table(
        {
            "account_id": ["a", "b"] * 10,
            "amount": [float(PRICES[place % 5]) for place in range(20)],
            "card": [["debit", "St. Gallen", "debit", None][place % 4] for place in range(20)],
            "when": [f"{NOW - timedelta(days=12 - place / 2):%Y-%m-%dT%H:%M:%S}+02:00" for place in range(20)],
            "decided_at": [NOW - timedelta(days=12 - place / 2) for place in range(20)],
            "fraud": [place % 3 == 0 for place in range(20)],
        }
    )
    pq.write_table(table, tmp_path / "labels.parquet")
    return table


FIT = ("fit", "labels.parquet", "--pipeline", "scaling", "--target", "fraud", "--at", "decided_at")
FILLED = ("--input", "mean=spend.mean_amount_30d", "--input", "at=when", "--out", "store/scaling.json")


def opened(folder: Path) -> Platform:
    return open_platform(load_settings(folder, environment={}))


def exact(row: Mapping[str, Any]) -> list[str]:
    """Values with all their digits and signs."""
    return [f"{name}={value!r}" for name, value in row.items()]


class SeenModel(StubModel):
    """Remembers the rows it is asked about."""

    def __init__(self) -> None:
        super().__init__(0.5)
        self.rows: list[Mapping[str, Any]] = []

    def predict_rows(self, rows: Sequence[Mapping[str, Any]], at: Any = None) -> Any:
        self.rows += rows
        return np.full((len(rows), 1), 0.25)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "journal")
    yield made
    made.journal.close()


async def ask(desk: Desk, platform: Platform, rows: Sequence[Mapping[str, Any]]) -> SeenModel:
    """Predicts as the data plane does, and gives the model with the rows that it saw."""
    task, model = platform.registry.tasks.get("fraud"), SeenModel()
    reader = platform.features.task_reader(task)
    desk.clock.set(platform.clock.now())
    desk.holder.current = Snapshot(1, {"fraud": Deployment(task, ServedModel(1, model), features=reader)})
    for row in rows:
        await Predictions(desk.parts).predict("fraud", json.dumps({"features": row}).encode())
    return model


REQUESTS = (
    {"amount": 12.3, "account_id": "a", "card": "debit", "when": "2026-01-05T08:30:00Z"},
    {"amount": 0.1, "account_id": "b", "card": "St. Gallen", "when": "2026-07-05T23:59:59.999999+02:00"},
    {"amount": 5, "account_id": "nobody", "card": "gift", "when": None},
    {"amount": None, "account_id": "a", "card": None, "when": "2026-03-29T03:00:00+02:00"},
)


async def test_what_is_served_has_the_bits_of_training(
    features: Command, folder: Path, labels: pa.Table, desk: Desk
) -> None:
    said = features(*FIT, *FILLED, "--delay", "2d")
    assert (said.code, said.err) == (0, "")
    assert said.out == "scaling: fitted on 20 rows, 11 outputs: store/scaling.json\n"
    assert features("apply", "--yes").code == 0
    apply_project(load_settings(folder, environment={}))
    platform = opened(folder)
    model = await ask(desk, platform, REQUESTS)

    task = platform.registry.tasks.get("fraud")
    names = [one.name for one in task.features if one.view]
    assert names == [f"scaled_{name}".replace(".", "%2E") for name in OUTPUTS]
    reader = platform.features.task_reader(task)
    assert isinstance(reader, FeatureReader)
    now = desk.clock.now()
    reads = reader.read([{"account_id": row["account_id"]} for row in REQUESTS], REQUESTS, now)
    served = [read.values for read in reads]
    assert served[0]["scaled_card=debit"] == 1
    assert None not in served[0].values()

    columns = {name: [row[name] for row in REQUESTS] for name in ("amount", "account_id", "card", "when")}
    asked = pa.table(columns).append_column("at", pa.array([now] * len(REQUESTS), pa.timestamp("us", "UTC")))
    made = make_training_set(platform.features, asked, [*names, "spend.mean_amount_30d"], "at").table
    assert [exact(row) for row in made.select(names).to_pylist()] == [exact(row) for row in served]

    fitted = FittedPipeline.load(folder / "scaling.json")
    times = [None if one is None else datetime.fromisoformat(str(one)) for one in columns["when"]]
    inputs = {
        "amount": pa.array([Decimal("12.30"), Decimal("0.10"), Decimal(5), None], pa.decimal128(12, 2)),
        "mean": made["spend.mean_amount_30d"],
        "card": pa.array(columns["card"]),
        "at": pa.array(times, pa.timestamp("us", "UTC")),
    }
    applied = fitted.apply(pa.table(inputs)).to_pylist()
    assert [[repr(value) for value in row.values()] for row in applied] == [
        [repr(value) for value in row.values()] for row in served
    ]
    of = {feature.name: feature for feature in task.features}
    wanted = [{name: task_value(of[name], value) for name, value in row.items()} for row in served]
    assert [exact({name: row[name] for name in names}) for row in model.rows] == [exact(row) for row in wanted]


async def test_a_refitted_pipeline_is_served_when_it_is_applied(
    features: Command, folder: Path, labels: pa.Table, desk: Desk, tmp_path: Path
) -> None:
    features(*FIT, *FILLED)
    apply_project(load_settings(folder, environment={}))
    before = await ask(desk, opened(folder), REQUESTS[:1])
    table = labels.set_column(5, "fraud", [[place % 2 == 0 for place in range(20)]])
    pq.write_table(table, tmp_path / "labels.parquet")
    assert features(*FIT, *FILLED).code == 0
    away = await ask(desk, opened(folder), REQUESTS[:1])
    assert away.rows[0]["scaled_target_card"] is None
    said = features("apply", "--yes")
    assert "~ on-demand scaled_target_card" in " ".join(said.out.split())
    after = await ask(desk, opened(folder), REQUESTS[:1])
    seen = [before.rows[0]["scaled_target_card"], after.rows[0]["scaled_target_card"]]
    assert None not in seen
    assert seen[0] != seen[1]
    assert {**before.rows[0], "scaled_target_card": 0} == {**after.rows[0], "scaled_target_card": 0}


def test_the_columns_to_train_on_are_those_of_fit_apply(
    features: Command, folder: Path, labels: pa.Table, tmp_path: Path
) -> None:
    said = features(*FIT, *FILLED, "--delay", "2d", "--training", "train.parquet", "--prefix", "scaled_")
    assert (said.code, said.out.splitlines()[1]) == (0, "20 rows, 17 columns: train.parquet")
    table = pq.read_table(tmp_path / "train.parquet")
    assert table.select(labels.column_names).equals(labels)
    assert table.column_names[6:] == [f"scaled_{name}".replace(".", "%2E") for name in OUTPUTS]
    pipeline = load_pipelines(folder / "project.py")["scaling"]
    steps = tuple(
        msgspec.structs.replace(step, delay="2d") if isinstance(step, TargetEncoding) else step
        for step in pipeline.steps
    )
    made = make_training_set(opened(folder).features, labels, ["spend.mean_amount_30d"], "decided_at").table
    inputs = {
        "amount": pa.array([Decimal(PRICES[place % 5]) for place in range(20)]),
        "mean": made["spend.mean_amount_30d"],
        "card": labels["card"],
        "at": pa.array([datetime.fromisoformat(one) for one in labels["when"].to_pylist()], pa.timestamp("us", "UTC")),
    }
    times = labels["decided_at"].cast(pa.int64()).to_numpy()
    fitted, columns = Pipeline(pipeline.inputs, steps).fit_apply(pa.table(inputs), labels["fraud"].to_numpy(), times)
    assert table.select(list(range(6, 17))).rename_columns(columns.column_names).equals(columns)
    assert FittedPipeline.load(folder / "scaling.json") == fitted
    target = table["scaled_target_card"].to_pylist()
    assert target[:5] == [None] * 5  # two days before, nothing was known
    assert target[19] is None  # no card
    assert target[18] != fitted.apply(pa.table(inputs))["target_card"][18].as_py()


def test_labels_with_the_inputs_need_no_store(features: Command, folder: Path, tmp_path: Path) -> None:
    rows = {"amount": [1.5, 2.25, 3.0], "mean": [1.0, 2.0, 4.0], "card": ["a", "b", "a"], "y": [0, 1, 0]}
    at = ["2026-01-01T00:00:00Z", "", "2026-01-03T00:00:00Z"]
    csv.write_csv(pa.table(rows | {"at": at}), tmp_path / "rows.csv")
    said = features("fit", "rows.csv", "--pipeline", "scaling", "--target", "y", "--out", "store/scaling.json")
    assert (said.code, said.err) == (0, "")
    fitted = FittedPipeline.load(folder / "scaling.json")
    assert fitted.apply_row({"amount": Decimal("2.25"), "mean": 1.0, "card": "a", "at": None})["card=a"] == 1


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        (("--pipeline", "scalling"), 1, "did you mean 'scaling'?"),
        (("--input", "maen=x"), 1, "name some of: amount, mean, card, at"),
        (("--input", "mean"), 2, "write --input as INPUT=NAME"),
        (("--input", "mean=amuont"), 1, "amuont: got missing; did you mean 'amount'?; or say"),
        (("--input", "mean=spend.mean_amount"), 1, "did you mean 'spend.mean_amount_30d'?"),
        (("--input", "amount=card"), 1, "card: got 'debit'; send a number"),
        (("--target", "card"), 1, "card: got null in some rows; give each label a number or a boolean"),
        (("--target", "account_id"), 1, "account_id: got string; give each label a number or a boolean"),
        (("--target", "fraudd"), 1, "did you mean 'fraud'?"),
        (("--delay", "soon"), 1, "delay: got 'soon'"),
        (("--prefix", "p_"), 2, "--prefix is for the columns of --training"),
        (("--training", "train.txt"), 1, "end it in .parquet, .arrow, .feather, .csv"),
        (("--out", "no/scaling.json"), 1, "name a file in a folder that you may write to"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    features: Command, folder: Path, labels: pa.Table, changes: tuple[str, ...], code: int, words: str
) -> None:
    said = features(*FIT, *FILLED, *changes)
    assert said.code == code
    assert words in said.err
    assert not (folder / "scaling.json").exists()


def test_features_need_a_time_and_target_encoding_a_target(features: Command, labels: pa.Table) -> None:
    said = features(*FIT[:4], *FILLED)
    assert (said.code, "--at: name the labels' column of times" in said.err) == (1, True)
    said = features(*FIT[:4], *FIT[6:], *FILLED)
    assert (said.code, "target: got missing" in said.err) == (1, True)


def test_rules_of_sources_hold_when_features_are_added(features: Command, folder: Path, tmp_path: Path) -> None:
    rows = {"account_id": ["a", "b"], "limit": [-5.0, 4.0], "at": [NOW - timedelta(days=30)] * 2}
    pq.write_table(pa.table(rows), folder / "profiles.parquet")
    lines = (
        "from tropism.features import Field, ParquetSource",
        "from tropism.features.checks import rule",
        "source = ParquetSource('profiles.parquet', timestamp='at', rules=(rule.range('limit', 0, policy='null'),))",
        "profile = FeatureView('profile', entity=account, source=source, fields=[Field('limit', float)])",
        "limits = Pipeline({'profile.limit': float}, (ZScore('profile.limit', name='scaled'),))",
    )
    (folder / "project.py").write_text("\n".join((DECLARED + SERVED, *lines)))
    given = pa.table({"account_id": ["a", "b", "b"], "t": [NOW] * 3})
    pq.write_table(given, tmp_path / "labels.parquet")
    said = features("fit", "labels.parquet", "--pipeline", "limits", "--at", "t", "--out", "limits.json")
    assert (said.code, said.err) == (0, "rules failed in the source of 'profile': range of 'limit'\n")
    fitted = FittedPipeline.load(tmp_path / "limits.json")
    assert fitted.apply_row({"profile.limit": 9.0}) == {"scaled": 0.0}  # both labels that have a limit have the same


def test_a_column_that_is_there_already_is_not_written_over(
    features: Command, labels: pa.Table, tmp_path: Path
) -> None:
    pq.write_table(labels.append_column("log_amount", labels["amount"]), tmp_path / "labels.parquet")
    said = features(*FIT, *FILLED, "--training", "train.parquet")
    assert (said.code, "labels: got log_amount; give --prefix" in said.err) == (1, True)
    assert features(*FIT, *FILLED, "--training", "train.parquet", "--prefix", "p_").code == 0


def test_labels_without_times_or_without_a_target_are_refused(
    features: Command, labels: pa.Table, tmp_path: Path
) -> None:
    times = pa.array([None] + [NOW] * 19)
    pq.write_table(labels.set_column(4, "decided_at", times), tmp_path / "labels.parquet")
    assert "null" in features(*FIT, *FILLED).err
    said = features(*FIT, *FILLED, "--input", "mean=amount")
    assert (said.code, "decided_at: got null in some rows" in said.err) == (1, True)
