"""What the units of an experiment say, from predictions and outcomes in a lake."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from tropism.core.clock import DAY, SECOND
from tropism.core.experiment import Experiment, Variant
from tropism.core.metric import Metric
from tropism.core.task import Feature, Task
from tropism.feedback.cohorts import Cohorts
from tropism.feedback.schemas import OUTCOMES, PREDICTIONS, feature_fields, outcomes_name, predictions_name
from tropism.loop.recompute import recompute
from tropism.loop.split_evidence import split_evidence
from tropism.registry import Decision
from tropism.registry.experiments import Trial
from tropism.storage.lake import Lake, LakeSettings

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

START = 20_000 * DAY
TASK = Task(name="shop", kind="binary", target="up", features=(Feature("x"),), outcome_window="1d")
LOSS = Metric(name="loss", role="decision")
REVENUE = Metric(name="revenue", of="revenue", goal="increase", role="decision")


class Place:
    """An A/B test of `new` against `now`, begun at `START`; every second visitor gets `new`."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake(folder, LakeSettings(durability="os"))
        self.cohorts = Cohorts(self.lake)
        self.rng = np.random.default_rng(0)
        self.rows = 0

    def visit(self, visitors: NDArray[np.int64], day: float, variant: str = "", **told: Floats) -> None:
        """A prediction for each visitor, and an outcome with figures (NaN for none); `label` is one of them."""
        count, start = len(visitors), START + int(day * DAY)
        at = start + np.sort(self.rng.integers(0, DAY // 2, count))
        ids = [f"p{self.rows + number:09}" for number in range(count)]
        self.rows += count
        new = visitors % 2 == 1
        shared = {"writer": ["w"] * count, "seq": list(range(self.rows - count + 1, self.rows + 1)), "at": at}
        rows = {
            "id": ids,
            "entity": [f"v{one}" for one in visitors],
            "version": np.where(new, 2, 1),
            "variant": [variant or f"trial/{'new' if one else 'now'}" for one in new],
            "scores": [[0.5]] * count,
            "f_x": np.zeros(count),
        }
        self._append(predictions_name("shop"), {**shared, **rows}, [*PREDICTIONS, *feature_fields(TASK.features)])
        label = told.pop("label", None)
        names = list(told)
        figures = np.column_stack([told[name] for name in names]) if names else np.empty((count, 0))
        values = [[(n, f) for n, f in zip(names, row, strict=True) if not np.isnan(f)] or None for row in figures]
        keep = np.array([one is not None for one in values]) | (label is not None)
        outcomes = {"id": [f"o{one}" for one in ids], "received": at + SECOND, "prediction_id": ids, "values": values}
        outcomes["value"] = [None] * count if label is None else label
        self._append(outcomes_name("shop"), {**shared, **outcomes}, list(OUTCOMES), keep)

    def _append(self, name: str, rows: dict[str, Any], fields: list[pa.Field], keep: Any = None) -> None:
        n = len(rows["at"])
        columns = [
            pa.array(rows[one.name], type=pa.int64()).cast(one.type)
            if one.name in ("at", "received")
            else pa.array(rows.get(one.name, [None] * n), one.type)
            for one in fields
        ]
        table = pa.Table.from_arrays(columns, schema=pa.schema(fields))
        self.lake.append(name, table if keep is None else table.filter(pa.array(keep)))

    def trial(self, *metrics: Metric, treatments: tuple[str, ...] = ("new",), **fields: Any) -> Trial:
        variants = [Variant(name="now"), *(Variant(name=one, version=2) for one in treatments)]
        spec = Experiment(name="trial", task="shop", mode="ab", variants=tuple(variants), metrics=metrics, **fields)
        versions = {one.name: one.version or 1 for one in variants}
        return Trial(
            name="trial", task="shop", spec=spec, versions=versions, status="running", step=0, created_at=START,
            started_at=START, stepped_at=START - DAY, ended_at=None, ending=None, reason=None, decision_id=None,
        )  # fmt: skip

    def say(self, trial: Trial, day: int) -> dict[str, Any]:
        now, lake = START + (day + 1) * DAY, self.cohorts.versions("shop")
        return split_evidence(self.services, TASK, trial, now=now, lake=lake)

    @property
    def services(self) -> Any:
        registry = SimpleNamespace(tasks=SimpleNamespace(get=lambda _: TASK))
        return SimpleNamespace(cohorts=self.cohorts, registry=registry)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "lake")


def only(evidence: dict[str, Any], metric: str) -> dict[str, Any]:
    (found,) = [one for one in evidence["analyses"]["new"] if one["metric"]["name"] == metric]
    return dict(found)


def ids(count: int, first: int = 0) -> NDArray[np.int64]:
    return np.arange(first, first + count)


def test_revenue_of_a_unit_is_the_sum_over_its_predictions_and_no_purchase_is_none(place: Place) -> None:
    nothing = np.nan
    place.visit(ids(4), 0, revenue=np.array([1.0, 10.0, nothing, nothing]))
    place.visit(ids(4), 1, revenue=np.array([2.0, 20.0, 3.0, nothing]))
    found = only(place.say(place.trial(REVENUE), 3), "revenue")
    assert (found["control"], found["treatment"]) == ((1 + 2 + 3) / 2, 30 / 2)
    assert (found["n_control"], found["n_treatment"]) == (2, 2)


def test_who_gave_no_rating_is_left_out_and_ratings_are_averaged(place: Place) -> None:
    rating = Metric(name="rating", of="rating", goal="increase", role="decision", missing="skip")
    place.visit(ids(4), 0, rating=np.array([1.0, 5.0, np.nan, np.nan]))
    place.visit(ids(4), 1, rating=np.array([3.0, np.nan, np.nan, np.nan]))
    found = only(place.say(place.trial(rating), 3), "rating")
    assert (found["control"], found["treatment"]) == (2.0, 5.0)
    assert (found["n_control"], found["n_treatment"]) == (1, 1)


def test_conversion_counts_units_and_a_ratio_divides_sums(place: Place) -> None:
    bought = Metric(name="bought", of="bought", kind="proportion", goal="increase", role="decision")
    each = Metric(name="each", of="revenue", kind="ratio", over="predictions", goal="increase")
    place.visit(ids(4), 0, bought=np.array([1.0, 0, np.nan, 1.0]), revenue=np.array([6.0, 0, np.nan, 9.0]))
    place.visit(ids(2), 0, bought=np.array([1.0, np.nan]), revenue=np.array([3.0, np.nan]))
    said = place.say(place.trial(bought, each), 3)
    assert [only(said, "bought")[name] for name in ("control", "treatment")] == [0.5, 0.5]
    assert [only(said, "each")[name] for name in ("control", "treatment")] == [9 / 3, 9 / 3]


def test_labels_and_figures_are_judged_together_each_on_what_it_has(place: Place) -> None:
    label = np.array([1.0, 0.0])
    place.visit(ids(2), 0, label=label, revenue=np.array([np.nan, 4.0]))
    place.visit(ids(2, 2), 0, revenue=np.array([5.0, np.nan]))
    rate = Metric(name="rate", of="outcome", role="guardrail", margin=0.1)
    said = place.say(place.trial(REVENUE, rate), 3)
    assert said["n"] == 4
    assert (only(said, "revenue")["n_control"], only(said, "rate")["n_control"]) == (2, 1)
    assert [only(said, "rate")[name] for name in ("control", "treatment")] == [1.0, 0.0]


def test_a_metric_that_no_outcome_carried_is_named_and_nothing_is_promoted(place: Place) -> None:
    values = place.rng.normal(size=2_000)
    better = np.where(ids(2_000) % 2 == 1, 2.0, 0.0)
    place.visit(ids(2_000), 0, revenue=values + better)
    typo = Metric(name="spent", of="revenu", role="guardrail", goal="increase", margin=10.0)
    said = place.say(place.trial(REVENUE, typo), 3)
    assert said["action"] == "extend"
    assert "spent cannot be compared: no outcome carried 'revenu' yet" in said["reason"]
    assert only(said, "revenue")["verdict"] == "better"
    assert place.say(place.trial(REVENUE), 3)["action"] == "promote"
    observed = msgspec.structs.replace(typo, role="observed", margin=0.0)
    told = place.say(place.trial(REVENUE, observed), 3)
    assert told["action"] == "promote"
    assert told["unmeasured"] == {"new": {"spent": "no outcome carried 'revenu' yet"}}


def test_harm_stops_an_experiment_whose_own_metric_nobody_told(place: Place) -> None:
    harmed = np.where(ids(2_000) % 2 == 1, -2.0, 0.0)
    place.visit(ids(2_000), 0, revenue=place.rng.normal(size=2_000) + harmed)
    decides = Metric(name="rating", of="rating", goal="increase", role="decision")
    said = place.say(place.trial(decides, msgspec.structs.replace(REVENUE, role="guardrail", margin=0.1)), 3)
    assert said["action"] == "stop-for-harm", said["reason"]
    late = place.say(place.trial(decides), 20)
    assert late["action"] == "keep" and "no outcome carried 'rating' yet" in late["reason"]


def test_a_proportion_of_what_is_not_true_or_false_is_named(place: Place) -> None:
    place.visit(ids(200), 0, revenue=np.full(200, 12.5))
    said = place.say(place.trial(msgspec.structs.replace(REVENUE, kind="proportion")), 3)
    assert said["action"] == "extend"
    assert "an outcome carried 12.5, neither 0 nor 1; use kind='mean'" in said["reason"]


def test_what_units_did_before_narrows_the_bounds_and_counts_only_if_it_had_matured(place: Place) -> None:
    habit = place.rng.gamma(2.0, 10.0, 4_000)
    for day in (-10, -5):
        place.visit(ids(4_000), day, variant="champion", revenue=habit + place.rng.normal(0, 3, 4_000))
    after = np.where(ids(4_000) % 2 == 1, 500.0, 0.0)
    place.visit(ids(4_000), -0.6, variant="champion", revenue=after)  # its window is open at the start
    place.visit(ids(4_000), 0, revenue=habit + place.rng.normal(0, 3, 4_000) + np.where(ids(4_000) % 2 == 1, 1.0, 0))
    plain = place.say(place.trial(REVENUE), 3)
    trial = place.trial(msgspec.structs.replace(REVENUE, cuped="14d"))
    adjusted = place.say(trial, 3)
    assert only(plain, "revenue")["kept"] is None
    assert only(adjusted, "revenue")["kept"] < 0.1
    assert only(adjusted, "revenue")["difference"] == pytest.approx(1.0, abs=0.3)
    assert (plain["action"], adjusted["action"]) == ("extend", "promote")
    short = place.say(place.trial(msgspec.structs.replace(REVENUE, cuped="1d")), 3)
    assert only(short, "revenue")["kept"] == 1.0


def test_every_kind_of_evidence_is_computed_again_alike(place: Place) -> None:
    count = 600
    place.visit(ids(count), -5, variant="champion", revenue=place.rng.gamma(2.0, 1.0, count))
    for day in range(5):
        some = np.sort(place.rng.choice(count, 300, replace=False))
        label = np.where(place.rng.random(300) < 0.3, 1.0, 0.0)
        place.visit(some, day, revenue=place.rng.gamma(2.0, 1.0, 300), label=label)
    metrics = (
        msgspec.structs.replace(REVENUE, cuped="7d"),
        Metric(name="each", of="revenue", kind="ratio", over="predictions", goal="increase", cuped="7d"),
        Metric(name="tail", of="revenue", kind="quantile", quantile=0.9, goal="increase"),
        Metric(name="loss", role="guardrail", margin=0.5),
    )
    said = place.say(place.trial(*metrics), 6)
    assert len(said["analyses"]["new"]) == 4
    stored = msgspec.json.decode(msgspec.json.encode(said))
    decision = Decision(
        id="d", model="shop", kind="wait", at=said["now"], actor="loop", evidence=stored, effect=None, created_at=0
    )
    place.visit(ids(count), 1, revenue=np.full(count, 100.0))  # what comes later changes nothing
    longer = msgspec.structs.replace(TASK, outcome_window="3d")  # nor does what the task became
    services = place.services
    services.registry.tasks.get = lambda _: longer
    again = recompute(services, decision)
    assert again.agrees, again.reason


def test_an_effect_that_fades_is_told_and_a_lasting_one_of_returning_units_is_not(place: Place) -> None:
    count = 400
    lasting, fading = (Metric(name=name, of=name, goal="increase", role="decision") for name in ("lasting", "fading"))
    for day in range(10):
        come = ids(count * (day + 1))  # everybody returns each day, and others come
        new = come % 2 == 1
        first = come // count
        noise = place.rng.normal(size=(2, len(come)))
        place.visit(come, day, lasting=0.5 * new + noise[0], fading=new * (2.0 - 0.2 * first) + noise[1])
    for metric, changes in ((lasting, False), (fading, True)):
        said = place.say(place.trial(metric, max_duration="60d"), 12)
        assert said["novelty"]["new"]["changes"] is changes
        assert said["action"] == "promote"


def test_units_are_counted_once_in_each_variant_since_the_last_step(place: Place) -> None:
    place.visit(ids(10), 0, label=np.ones(10))
    place.visit(ids(6), 1, label=np.ones(6))
    trial = place.trial(LOSS)
    assert list(place.say(trial, 3)["split"]["counts"]) == [5, 5]
    stepped = msgspec.structs.replace(trial, stepped_at=START + DAY - 60 * SECOND)
    assert list(place.say(stepped, 3)["split"]["counts"]) == [3, 3]


def test_nobody_yet_is_said_so(place: Place) -> None:
    said = place.say(place.trial(LOSS), 3)
    assert said["reason"] == "no matured units of both the control and new yet"
    place.visit(ids(1), 0, label=np.ones(1))
    assert place.say(place.trial(LOSS), 3)["action"] == "extend"
