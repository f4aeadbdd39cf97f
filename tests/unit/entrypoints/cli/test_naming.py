from __future__ import annotations

from collections.abc import Callable

import pytest

from tropism.core.errors import InvalidInput, TropismError
from tropism.entrypoints.cli.naming import named_version
from tropism.wiring import Platform


def test_a_version_is_named_or_the_champion_is_meant(
    platform: Platform, register: Callable[..., int], promote: Callable[..., str]
) -> None:
    register(1)
    register(2)
    assert named_version(platform.registry, "payments:1").version == 1
    with pytest.raises(InvalidInput, match="'payments' has no champion") as caught:
        named_version(platform.registry, "payments")
    assert "payments:1" in caught.value.faults[0].fix
    promote(2)
    assert named_version(platform.registry, "payments").version == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nix", "unknown-task"),
        ("nix:1", "unknown-task"),
        ("", "unknown-task"),
        ("payments:9", "unknown-version"),
        ("payments:0", "unknown-version"),
        ("payments:99999999999999999999", "invalid-input"),
        ("payments:", "invalid-input"),
        ("payments:-1", "invalid-input"),
        ("payments:one", "invalid-input"),
        ("payments:1:2", "invalid-input"),
        ("payments:²", "invalid-input"),
    ],
)
def test_what_is_no_version_is_told(platform: Platform, register: Callable[..., int], text: str, code: str) -> None:
    register()
    with pytest.raises(TropismError) as caught:
        named_version(platform.registry, text)
    assert caught.value.code == code
