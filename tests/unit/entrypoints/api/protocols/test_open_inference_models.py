from __future__ import annotations

from typing import Any

import pytest

from tropism.core.errors import InvalidInput, NotReady, UnknownTask, UnknownVersion
from tropism.entrypoints.api.protocols.open_inference_models import Models, versions_of
from tropism.entrypoints.api.protocols.open_inference_outputs import Wanted
from tropism.entrypoints.api.protocols.tensors import Tensor

DEMAND = Tensor("demand", "FP64", (2,), [30.0, 10.0])
ZONE = Tensor("zone", "BYTES", (2,), ["north", "south"])
CHANCES = [Wanted("probabilities")]


@pytest.fixture
def models(shop: Any) -> Models:
    return Models(shop.core)


@pytest.mark.parametrize(
    ("version", "answered", "chances"),
    [("", "4", [0.4, 0.6, 0.9, 0.1]), ("4", "4", [0.4, 0.6, 0.9, 0.1]), ("3", "3", [0.875, 0.125] * 2)],
)
async def test_the_version_that_is_asked_for_answers(
    shop: Any, models: Models, version: str, answered: str, chances: list[float]
) -> None:
    found = await models.infer("price", version, [DEMAND, ZONE], CHANCES)
    assert (found.model, found.version) == ("price", answered)
    assert found.outputs[0].values == pytest.approx(chances)
    recorded = shop.recorded()
    assert [str(event.version) for event in recorded] == [answered] * 2
    assert [event.features["demand"] for event in recorded] == [30.0, 10.0]


@pytest.mark.parametrize("version", ["5", "0", "-1", "latest", "4 ", "04", "٤", "9" * 50])
def test_another_version_is_not_found(models: Models, version: str) -> None:
    with pytest.raises(UnknownVersion) as caught:
        models.find("price", version)
    assert caught.value.faults[0].fix == "use one of: 4, 3"


def test_a_task_that_is_not_there(models: Models) -> None:
    with pytest.raises(UnknownTask, match="prise"):
        models.find("prise", "")


async def test_a_task_without_a_model_is_answered_by_its_baseline(shop: Any, models: Models) -> None:
    found = await models.infer("amount", "", [Tensor("size", "INT8", (1,), [3])], [])
    assert found.version == "0"
    assert found.parameters == {"variant": "baseline", "degraded": "no-model"}
    assert found.outputs[0].values == [7.5]
    assert versions_of(shop.snapshot.deployment("amount")) == []
    with pytest.raises(UnknownVersion, match="no live version 1"):
        models.find("amount", "1")


async def test_warnings_are_told_once(models: Models) -> None:
    zone = Tensor("zone", "BYTES", (2,), [None, None])
    found = await models.infer("price", "", [DEMAND, zone], [])
    assert found.parameters["warnings"].count("zone: the value is missing") == 1
    assert "holiday: not sent" in found.parameters["warnings"]


async def test_nothing_is_recorded_if_an_output_is_unknown(shop: Any, models: Models) -> None:
    with pytest.raises(InvalidInput, match="no output"):
        await models.infer("price", "", [DEMAND, ZONE], [Wanted("scores")])
    assert shop.recorded() == []


def test_before_the_first_snapshot_nothing_is_ready(shop: Any, models: Models) -> None:
    models.ready()
    shop.holder.current = None
    for ask in (models.ready, lambda: models.find("price", ""), lambda: models.metadata("price", "")):
        with pytest.raises(NotReady):
            ask()


def test_metadata_describes_inputs_and_outputs(models: Models) -> None:
    found = models.metadata("price", "3")
    assert found["versions"] == ["4", "3"]
    assert found["inputs"] == [
        {"name": "demand", "datatype": "FP64", "shape": [-1]},
        {"name": "zone", "datatype": "BYTES", "shape": [-1]},
        {"name": "holiday", "datatype": "BOOL", "shape": [-1]},
    ]
    assert {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]} in found["outputs"]
    assert found["properties"] == {"kind": "binary", "target": "up", "classes": '["false","true"]'}
    assert "classes" not in models.metadata("amount", "")["properties"]
