from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.features import Vector
from tropism.features.transformations import (
    Binning,
    Cross,
    Embedding,
    FittedPipeline,
    Interaction,
    Log,
    MinMax,
    OneHot,
    Pipeline,
    Polynomial,
    TargetEncoding,
    TimeParts,
    ZScore,
)

INPUTS: dict[str, Any] = {"amount": float, "card": str, "at": datetime.datetime}
TABLE = pa.table(
    {
        "amount": [1.0, 5.0, 9.0],
        "card": ["debit", "credit", "debit"],
        "at": pa.array([0, 1, 2], pa.timestamp("us", "UTC")),
    }
)


def pipeline(*steps: Any, **changes: Any) -> Pipeline:
    return Pipeline(**{"inputs": INPUTS, "steps": steps, **changes})


def refused(make: Callable[[], object]) -> str:
    with pytest.raises(InvalidInput) as caught:
        make()
    assert all(fault.fix for fault in caught.value.faults)
    return caught.value.faults[0].field


def test_a_step_reads_what_those_before_it_gave() -> None:
    found = pipeline(Log("amount"), Binning("log_amount", bins=2, name="size"), Cross(("size", "card"), name="kind"))
    assert found.outputs == {"log_amount": "number", "size": "integer", "kind": "text"}
    fitted, columns = found.fit_apply(TABLE)
    assert columns.column_names == list(fitted.outputs) == list(found.outputs)
    assert columns["kind"].to_pylist() == ["0|debit", "1|credit", "1|debit"]
    assert fitted.apply(TABLE) == columns


def test_only_the_inputs_are_needed_and_only_the_outputs_are_given() -> None:
    fitted = pipeline(ZScore("amount")).fit(TABLE.append_column("zscore_amount", [[1, 2, 3]]))
    assert fitted.apply(TABLE).column_names == ["zscore_amount"]
    assert fitted.apply_row({"amount": 5, "card": None, "at": None, "more": 1}) == {"zscore_amount": 0.0}
    with pytest.raises(DataInvalid) as caught:
        fitted.apply(TABLE.drop_columns(["card"]))
    assert caught.value.faults[0].field == "card"


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: pipeline(), "steps"),
        (lambda: pipeline("log"), "steps[0]"),
        (lambda: pipeline(Log("amonut")), "steps[0].column"),
        (lambda: pipeline(ZScore("log_amount"), Log("amount")), "steps[0].column"),
        (lambda: pipeline(Interaction(("amount", "amonut"))), "steps[0].columns"),
        (lambda: pipeline(Log("card")), "steps[0].column"),
        (lambda: pipeline(OneHot("amount")), "steps[0].column"),
        (lambda: pipeline(TimeParts("amount")), "steps[0].column"),
        (lambda: pipeline(Embedding("at", encoder="x", size=1)), "steps[0].column"),
        (lambda: pipeline(Log("amount"), Log("amount", offset=1)), "steps[1].name"),
        (lambda: pipeline(Log("amount", name="card")), "steps[0].name"),
        (lambda: pipeline(Log("amount"), inputs={}), "inputs"),
        (lambda: pipeline(Log("amount"), inputs=["amount"]), "inputs"),
        (lambda: pipeline(Log("amount"), inputs={"amount": list}), "inputs.amount"),
        (lambda: pipeline(Log("v"), inputs={"v": Vector(2)}), "steps[0].column"),
        (lambda: pipeline(OneHot("card"), Log("card=debit")), "steps[1].column"),
        (lambda: Log(5), "column"),  # type: ignore[arg-type]
        (lambda: Log("a", offset=float("nan")), "offset"),
        (lambda: Log("a", name="x" * 300), "name"),
        (lambda: MinMax("a", clip="yes"), "clip"),  # type: ignore[arg-type]
        (lambda: Binning("a", bins=1), "bins"),
        (lambda: Binning("a", by="size"), "by"),  # type: ignore[arg-type]
        (lambda: Binning("a", by="edges", edges=(0, 2, 1)), "edges"),
        (lambda: Binning("a", by="edges", edges=(0, 1, 1)), "edges"),
        (lambda: Binning("a", by="edges", edges=(0, float("inf"))), "edges"),
        (lambda: Binning("a", by="edges"), "edges"),
        (lambda: Binning("a", edges=(0, 1)), "edges"),
        (lambda: Polynomial(("a",), degree=0), "degree"),
        (lambda: Polynomial(tuple("abcdefghij"), degree=8), "degree"),
        (lambda: Polynomial(()), "columns"),
        (lambda: Polynomial(("a", "b", "c", "a*b"), degree=3), "columns"),
        (lambda: Interaction(("a", "a")), "columns"),
        (lambda: Cross(("a",)), "columns"),
        (lambda: OneHot("a", most=0), "most"),
        (lambda: OneHot("a", categories=("x", "x")), "categories"),
        (lambda: TargetEncoding("a", smoothing=-1), "smoothing"),
        (lambda: TargetEncoding("a", folds=1), "folds"),
        (lambda: TargetEncoding("a", delay="soon"), "delay"),
        (lambda: Embedding("a", encoder="", size=3), "encoder"),
        (lambda: Embedding("a", encoder="x", size=0), "size"),
        (lambda: TimeParts("a", zone="Europe/Zürich"), "zone"),
        (lambda: TimeParts("a", zone="Europe"), "zone"),
        (lambda: TimeParts("a", zone="../etc/passwd"), "zone"),
        (lambda: TimeParts("a", parts=()), "parts"),
        (lambda: TimeParts("a", parts=("minute",)), "parts"),  # type: ignore[arg-type]
        (lambda: TimeParts("a", holidays=("yule",)), "holidays"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_is_refused_by_field(make: Callable[[], object], field: str) -> None:
    assert refused(make) == field


STEPS = (
    Log("amount", offset=1),
    ZScore("amount"),
    MinMax("amount", clip=True),
    Binning("amount", by="edges", edges=[0, 1, 2]),  # type: ignore[arg-type]
    Polynomial(["amount"]),  # type: ignore[arg-type]
    Interaction(("amount", "log_amount")),
    Cross(("card", "bin_amount")),
    OneHot("card"),
    TargetEncoding("card", delay="7d"),
    Embedding("card", encoder="sentences", size=8),
    TimeParts("at", zone="Europe/Zurich", holidays=(datetime.date(2026, 8, 1),)),
)


def test_a_pipeline_is_the_same_after_it_was_stored() -> None:
    found = pipeline(*STEPS)
    stored = Pipeline.from_json(found.to_json())
    assert stored == found
    assert stored.fingerprint == found.fingerprint
    others = [pipeline(*STEPS[:-1]), pipeline(*STEPS, Log("amount", offset=2, name="more"))]
    assert len({found.fingerprint, *(other.fingerprint for other in others)}) == 3


def test_what_was_learned_is_in_the_fingerprint() -> None:
    found = pipeline(ZScore("amount"))
    assert found.fit(TABLE).fingerprint == found.fit(TABLE).fingerprint != found.fit(TABLE[:2]).fingerprint


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b'"z-score-fitted"', b'"pickle"', "steps[0].transformation"),
        (b'"scale"', b'"code"', "steps[0]"),
        (b'"mean":5.0', b'"mean":"5.0"', "steps[0].mean"),
        (b'"mean":5.0', b'"mean":null', "steps[0].mean"),
        (b'"pipeline-fitted"', b'"pipeline"', "of"),
        (b'"column":"amount"', b'"column":"amonut"', "steps[0].column"),
        (b'"categories":["debit","credit"]', b'"categories":["debit","debit"]', "categories"),
        (b'"inner":[5.0]', b'"inner":[5.0,4.0]', "inner"),
        (b'"number"', b'"nmuber"', "inputs.amount"),
        (b"{", b"", "json"),
        (b'"number"', b"[" * 100_000, "json"),
        (b"debit", b"\xff", "json"),
    ],
)
def test_what_was_stored_and_changed_is_refused_by_field(old: bytes, new: bytes, field: str) -> None:
    steps = (ZScore("amount"), OneHot("card"), Binning("amount", by="edges", edges=(0, 5, 9)))
    text = pipeline(*steps).fit(TABLE).to_json()
    assert old in text
    assert refused(lambda: FittedPipeline.from_json(text.replace(old, new, 1))) == field


def test_learned_outputs_that_collide_are_refused_when_it_is_fitted() -> None:
    found = pipeline(OneHot("card"), Log("amount", name="card=debit"))
    assert refused(lambda: found.fit(TABLE)) == "steps[1].name"
