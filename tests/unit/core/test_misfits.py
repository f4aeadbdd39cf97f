from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from tropism.core.errors import Fault
from tropism.core.misfits import misfit


class Part(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    share: float = 1.0
    side: Literal["left", "right"] = "left"
    size: int | None = None


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    parts: tuple[Part, ...]
    first: Part | None = None
    extra: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("plain", "fault"),
    [
        ([], Fault("whole", "a list", "use an object")),
        ({}, Fault("parts", "", "add it")),
        ({"parts": 5}, Fault("parts", "5", "use a list")),
        ({"parts": [{}]}, Fault("parts[0].name", "", "add it")),
        ({"parts": [{"name": None}]}, Fault("parts[0].name", "null", "use text")),
        (
            {"parts": [{"name": "a"}, {"name": "b", "size": "7"}]},
            Fault("parts[1].size", '"7"', "use a whole number or"),
        ),
        ({"parts": [{"name": "a", "side": "top"}]}, Fault("parts[0].side", '"top"', "use one of: left, right")),
        ({"parts": [{"name": "a", "shar": 2}]}, Fault("parts[0].shar", "2", "did you mean 'share'?")),
        ({"parts": [], "first": {"nix": [1]}}, Fault("first.nix", "a list", "use one of: name, share, side, size")),
        ({"parts": [], "first": [1]}, Fault("first", "a list", "use an object or null")),
        ({"parts": [], "extra": []}, Fault("extra", "a list", "use an object")),
    ],
)
def test_what_does_not_fit_is_named_with_the_fix(plain: Any, fault: Fault) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(plain, Whole)
    found = misfit(refused.value, plain, Whole, "whole")
    assert (found.field, found.value) == (fault.field, fault.value)
    assert found.fix.startswith(fault.fix)
