from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import ArtifactRefused, ArtifactTampered
from tropism.core.task import Feature, Task
from tropism.learners import ensemble
from tropism.learners.artifact import load, pack, store
from tropism.learners.base import Dataset, Estimator, RowScorer, Shape
from tropism.learners.ensemble import FILE, Ensemble
from tropism.learners.ensemble_choosing import ByRange
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model
from tropism.learners.selection import Selection
from tropism.learners.stacking import Stacking
from tropism.learners.voting import Voting
from tropism.learners.weighted_average import WeightedAverage

if TYPE_CHECKING:
    from tropism.core.task import Kind

SMALL = "lightgbm(num_trees=5), linear"
SHAPE = Shape("binary", 1, 4)
LEARNERS = [
    WeightedAverage(members="majority, linear, lightgbm(num_trees=5)"),
    Voting(members=SMALL),
    Voting(members=SMALL, votes="hard"),
    Stacking(members=SMALL),
    Selection(members=SMALL, by="city", min_rows=1),
    Selection(members=SMALL, by="x", min_rows=1),
]
STRANGE: list[dict[str, Any]] = [{}, {"x": 1e308, "city": "nowhere"}, {"x": float("nan"), "city": None, "new": True}]


@pytest.fixture
def stored(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset], fit_learner: Callable[..., Model]
) -> dict[str, bytes]:
    """Trees and a linear model by turns, over four ranges of the first feature."""
    model = fit_learner(Voting(members=SMALL), make_task("binary"), make_data("binary"))
    assert isinstance(model.estimator, Ensemble)
    rule = ByRange(0, (0, 1, 0, 1), 1, (-1.0, 0.0, 1.0))
    return Ensemble.of(model.estimator.members, rule, SHAPE).export()


def edited(files: dict[str, bytes], change: Callable[[dict[str, Any]], Any]) -> dict[str, bytes]:
    facts = msgspec.json.decode(files[FILE])
    change(facts)
    return {**files, FILE: msgspec.json.encode(facts)}


def refuse(files: dict[str, bytes]) -> str:
    with pytest.raises(ArtifactRefused) as caught:
        Ensemble.load(files, SHAPE)
    return caught.value.faults[0].field


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("name", ["lightgbm", "linear"])
def test_a_member_scores_to_the_bit_as_its_learner_alone(
    name: str, kind: Kind, make_data: Callable[..., Dataset], fit_learner: Callable[..., Model]
) -> None:
    """With more categories than standardised columns keep, so that the member's own choice of them counts."""
    features = (Feature("x"), Feature("city", "category"), Feature("new", "boolean"))
    task = Task(name="t", kind=kind, target="y", features=features, classes=("a", "b", "c") * (kind == "multiclass"))
    data, rng = make_data(kind), np.random.default_rng(0)
    cities = pa.array([f"c{int(city)}" for city in rng.exponential(25, 600)])
    data = data._replace(features=data.features.set_column(2, "city", cities))
    alone = fit_model(task, name, data, seed=3)
    model = fit_learner(Voting(members=f"{name}, majority" if kind != "regression" else f"{name}, mean"), task, data, 3)
    assert isinstance(model.estimator, Ensemble)
    member = model.estimator.members[0]
    codes = model.encoding.matrix(data.features)
    assert member.predict(codes, None).tobytes() == alone.predict(data.features).tobytes()
    rows = [*data.features.slice(0, 40).to_pylist(), *STRANGE]
    short = np.vstack([member.score(model.encoding.codes(row)) for row in rows])
    assert short.tobytes() == alone.predict_rows(rows).tobytes()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: type(learner).__name__)
def test_a_row_alone_and_after_storage_scores_to_the_bit_as_among_others(
    learner: Any,
    kind: str,
    blobs: Any,
    make_task: Callable[..., Task],
    make_data: Callable[..., Dataset],
    fit_learner: Callable[..., Model],
) -> None:
    if kind == "regression" and "majority" in learner.members:
        learner = WeightedAverage(members="mean, linear, lightgbm(num_trees=5)")
    model = fit_learner(learner, make_task(kind), make_data(kind))
    rows = [*make_data(kind, seed=9).features.slice(0, 60).to_pylist(), *STRANGE]
    together = model.predict_rows(rows)
    alone = [model.estimator.predict(model.encoding.rows([row])) for row in rows]
    assert np.vstack(alone).tobytes() == together.tobytes()
    assert np.vstack([model.predict_rows([row]) for row in rows]).tobytes() == together.tobytes()
    again = load(store(model, blobs), blobs)
    assert again.predict_rows(rows).tobytes() == together.tobytes()
    assert pack(again) == pack(model)


def test_the_short_way_is_there_when_every_member_has_one(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset], fit_learner: Callable[..., Model]
) -> None:
    task, data = make_task("regression"), make_data("regression")
    assert isinstance(fit_learner(Voting(members=SMALL), task, data).estimator, RowScorer)
    clocked = fit_learner(Voting(members="lightgbm(num_trees=5), seasonal"), task, data)
    assert not isinstance(clocked.estimator, RowScorer)
    row, at = data.features.slice(0, 1).to_pylist(), data.at
    answers = {float(clocked.predict_rows(row, at[hour : hour + 1])[0, 0]) for hour in range(24)}
    assert len(answers) > 12  # a member that looks at the clock still gets to see it


def test_importance_weighs_the_members(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset], fit_learner: Callable[..., Model]
) -> None:
    model = fit_learner(Voting(members=SMALL), make_task("regression"), make_data("regression"))
    alone = [
        fit_model(make_task("regression"), name, make_data("regression"), parameters=parameters).importance()
        for name, parameters in (("lightgbm", {"num_trees": 5}), ("linear", {}))
    ]
    expected = {name: (alone[0][name] + alone[1][name]) / 2 for name in alone[0]}
    assert model.importance() == pytest.approx(expected)


def nested(facts: dict[str, Any]) -> None:
    facts["members"][0]["format"] = "ensemble"


CHANGES: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("ensemble.json", lambda f: f.update(code="x")),
    ("ensemble.json", lambda f: f.pop("combination")),
    ("ensemble.json", lambda f: f["combination"].update(type="lambda")),
    ("ensemble.json", lambda f: f["combination"].update(cuts=["a"])),
    ("ensemble.json", lambda f: f["members"][0].update(hook="os.system")),
    ("members", lambda f: f.update(members=[])),
    ("members", lambda f: f.update(members=f["members"] * 9)),
    ("members.0.format", nested),
    ("members.0.format", lambda f: f["members"][0].update(format="pickle")),
    ("files", lambda f: f["members"].pop()),
    ("files", lambda f: f["members"][0].update(files=["../../model.txt"])),
    ("files", lambda f: f["members"][0].update(files=[])),
    ("members.1.encoding", lambda f: f["members"][1]["encoding"].update(style="codes")),
    ("members.1.encoding", lambda f: f["members"][1]["encoding"]["columns"].pop()),
    ("members.1.encoding", lambda f: f["members"][1]["encoding"]["columns"][0].update(scale=0.0)),
    ("members.1.encoding", lambda f: f["members"][1]["encoding"]["columns"][0].update(name="noise")),
    ("members.1.encoding", lambda f: f["members"][1]["encoding"]["columns"][2].update(categories=["0001", "0000"])),
    ("members.1.encoding", lambda f: f["members"][1]["encoding"]["columns"][2].update(categories=["1"])),
    ("members.1.encoding", lambda f: f["members"][1]["encoding"]["columns"][2].update(categories=["9999"])),
    ("weights", lambda f: f["members"][1]["encoding"]["columns"][2].update(categories=["0001"])),
    ("max_feature_idx", lambda f: f["members"][0].update(encoding=f["members"][1]["encoding"])),
    ("combination", lambda f: f["combination"].update(column=4)),
    ("combination", lambda f: f["combination"].update(column=-1)),
    ("combination", lambda f: f["combination"].update(otherwise=2)),
    ("combination", lambda f: f["combination"].update(choices=[0, 1, 0, -1])),
    ("combination", lambda f: f["combination"].update(choices=[0])),
    ("combination", lambda f: f["combination"].update(cuts=[2.0, 1.0, 3.0])),
    ("combination", lambda f: f.update(combination={"type": "average", "weights": [0.7, 0.7]})),
    ("combination", lambda f: f.update(combination={"type": "average", "weights": [1.5, -0.5]})),
    ("combination", lambda f: f.update(combination={"type": "average", "weights": [1.0]})),
    ("combination", lambda f: f.update(combination={"type": "stack", "weights": [[1.0]], "intercept": [0.0]})),
    ("combination", lambda f: f.update(combination={"type": "code", "column": 2, "choices": [5], "otherwise": 0})),
]


@pytest.mark.parametrize(("field", "change"), CHANGES, ids=range(len(CHANGES)))
def test_a_malformed_ensemble_is_refused(
    field: str, change: Callable[[dict[str, Any]], Any], stored: dict[str, bytes]
) -> None:
    assert isinstance(Ensemble.load(stored, SHAPE), Ensemble)
    assert refuse(edited(stored, change)) == field


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b'{"members":' + b"[" * 100_000])
def test_facts_that_are_none_are_refused(data: bytes, stored: dict[str, bytes]) -> None:
    assert refuse({**stored, FILE: data}) == FILE


def test_files_that_are_missing_or_that_nobody_asked_for_are_refused(stored: dict[str, bytes]) -> None:
    assert refuse({name: data for name, data in stored.items() if name != FILE}) == "files"
    assert refuse({name: data for name, data in stored.items() if not name.startswith("1/")}) == "files"
    assert refuse({**stored, "2/model.pkl": b"\x80\x04"}) == "files"


def test_each_member_meets_its_own_audit(stored: dict[str, bytes]) -> None:
    assert refuse({**stored, "0/model.txt": stored["0/model.txt"][:-200]}).startswith("Tree=")
    assert refuse({**stored, "1/weights.safetensors": b"\x80\x04\x95cbuiltins"}) == "header"


def test_nothing_is_constructed_before_the_whole_was_looked_at(
    stored: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Never(Estimator):
        @classmethod
        def load(cls, files: Any, shape: Shape) -> Any:
            raise AssertionError

    formats: dict[str, Any] = {"lightgbm-text": Never, "safetensors": Never}
    monkeypatch.setattr(ensemble, "SINGLE_FORMATS", formats)
    assert refuse(edited(stored, lambda f: f["combination"].update(otherwise=7))) == "combination"


def test_a_changed_byte_of_a_member_is_noticed(
    blobs: Any, make_task: Callable[..., Task], make_data: Callable[..., Dataset], fit_learner: Callable[..., Model]
) -> None:
    model = fit_learner(Voting(members=SMALL), make_task("binary"), make_data("binary"))
    digest = store(model, blobs)
    key = next(key for key, data in blobs.items() if data == model.estimator.export()["0/model.txt"])
    blobs[key] = blobs[key].replace(b"leaf_value=", b"leaf_value=-", 1)
    with pytest.raises(ArtifactTampered) as caught:
        load(digest, blobs)
    assert caught.value.faults[0].field == "0/model.txt"
