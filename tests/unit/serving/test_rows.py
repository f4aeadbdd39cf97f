from __future__ import annotations

from typing import Any

import pytest

from tropism.core.errors import InputError, InvalidInput, MissingFeature, UnknownFeature
from tropism.core.faults import Faults
from tropism.core.task import Feature, Task
from tropism.serving.rows import RowReader


def read(features: dict[str, Any], *columns: Feature) -> tuple[dict[str, Any], list[str]]:
    task = Task(name="t", kind="binary", target="y", features=columns)
    faults = Faults()
    row, notes = RowReader(task).read(features, "features.", faults)
    faults.check()
    return row, [note.kind for note in notes]


def refused(features: dict[str, Any], *columns: Feature) -> InputError:
    with pytest.raises(InputError) as caught:
        read(features, *columns)
    return caught.value


NUMBER, TEXT, FLAG = Feature("n"), Feature("c", "category"), Feature("b", "boolean")


def test_values_are_read_as_the_features_types() -> None:
    assert read({"n": 3, "c": "x", "b": True}, NUMBER, TEXT, FLAG) == ({"n": 3.0, "c": "x", "b": True}, [])
    assert isinstance(read({"n": 3}, NUMBER)[0]["n"], float)
    assert read({"n": 2**70}, NUMBER)[0]["n"] == float(2**70)


@pytest.mark.parametrize(
    ("feature", "value", "fix"),
    [
        (NUMBER, True, "send a number, or null"),
        (NUMBER, "1.5", "without quotes"),
        (NUMBER, [1], "send a number"),
        (NUMBER, 1e301, "between -1e300 and 1e300"),
        (NUMBER, 10**400, "between -1e300 and 1e300"),
        (NUMBER, float("nan"), "between -1e300 and 1e300"),
        (TEXT, 7, 'send it as a string: "7"'),
        (TEXT, True, 'send it as a string: "true"'),
        (TEXT, {"a": 1}, "send a string"),
        (TEXT, "x" * 2_000, "at most 1024 characters"),
        (FLAG, 1, "send true or false"),
        (FLAG, "true", "send true or false"),
        (Feature("n", nullable=False), None, "may not be missing"),
    ],
)
def test_a_value_of_the_wrong_type_names_field_value_and_remedy(feature: Feature, value: Any, fix: str) -> None:
    error = refused({feature.name: value}, feature)
    assert type(error) is InvalidInput
    assert [fault.field for fault in error.faults] == [f"features.{feature.name}"]
    assert error.faults[0].value
    assert fix in error.faults[0].fix


def test_every_missing_feature_is_named_at_once() -> None:
    error = refused({}, NUMBER, TEXT, FLAG)
    assert isinstance(error, MissingFeature)
    assert [fault.field for fault in error.faults] == ["features.n", "features.c", "features.b"]
    assert error.message == "feature 'n' is missing, and 2 more faults"


def test_an_extra_feature_is_refused_with_the_name_that_was_meant() -> None:
    demand = Feature("demand")
    error = refused({"demand": 1, "demnad": 2}, demand)
    assert isinstance(error, UnknownFeature)
    assert error.faults[0].fix == "did you mean 'demand'?"
    assert "the features are: demand" in refused({"demand": 1, "xyz": 2}, demand).faults[0].fix


def test_an_extra_feature_is_seen_beside_a_default() -> None:
    assert isinstance(refused({"x": 1}, Feature("n", default=0)), UnknownFeature)


def test_a_default_and_a_missing_value_are_used_and_noted() -> None:
    assert read({}, Feature("n", default=2)) == ({"n": 2.0}, ["default-used"])
    assert read({}, Feature("n", default=None)) == ({"n": None}, ["default-used"])
    assert read({"n": None}, NUMBER) == ({"n": None}, ["missing-value"])


def test_faults_of_several_classes_are_one_invalid_input() -> None:
    error = refused({"c": 1, "z": 1}, NUMBER, TEXT)
    assert type(error) is InvalidInput
    assert {fault.field for fault in error.faults} == {"features.n", "features.c", "features.z"}
