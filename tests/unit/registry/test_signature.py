from __future__ import annotations

from typing import Any

import pytest

from tropism.core.task import Feature, Task
from tropism.registry.signature import signature_faults

_TASK = Task(
    name="t", kind="multiclass", target="y", features=(Feature("a"), Feature("b", "category")), classes=("x", "y")
)


@pytest.mark.parametrize(
    "signature",
    [
        {},
        {"kind": "multiclass", "inputs": [{"name": "a", "type": "number"}], "classes": ["x", "y"]},
        {"classes": ["x"]},
        {"inputs": [{"name": "b", "type": "category"}, {"name": "a", "type": "number"}], "output": "probabilities"},
    ],
)
def test_a_version_that_fits_has_no_faults(signature: dict[str, Any]) -> None:
    assert signature_faults(signature, _TASK) == []


@pytest.mark.parametrize(
    ("signature", "field"),
    [
        ({"kind": "binary"}, "signature.kind"),
        ({"inputs": [{"name": "a", "type": "category"}]}, "signature.inputs.a"),
        ({"inputs": [{"name": "c", "type": "number"}]}, "signature.inputs.c"),
        ({"classes": ["y", "x"]}, "signature.classes"),
        ({"classes": ["x", "y", "z"]}, "signature.classes"),
    ],
)
def test_a_version_that_does_not_fit_is_told_why(signature: dict[str, Any], field: str) -> None:
    faults = signature_faults(signature, _TASK)
    assert [fault.field for fault in faults] == [field]
    assert "train" in faults[0].fix
