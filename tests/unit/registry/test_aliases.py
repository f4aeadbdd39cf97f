from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tropism.core.errors import InvalidInput, UnknownVersion
from tropism.core.task import Policy
from tropism.registry import Live

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.registry import Registry


def _promote(registry: Registry, model: str, version: int, expected: int | None) -> None:
    registry.promotion.promote(
        model,
        version,
        expected=expected,
        actor="ann",
        decision_id=f"{model}-{version}",
        policy=Policy(),
        now=version,
    )


def test_nothing_is_served_before_a_promotion(registry: Registry, register: Callable[..., int]) -> None:
    register()
    assert registry.aliases.get("price", "champion") is None
    assert registry.aliases.snapshot() == ()
    assert registry.aliases.generation() == 0


def test_the_snapshot_holds_every_champion_and_the_one_before(registry: Registry, register: Callable[..., int]) -> None:
    for model in ("price", "price", "fraud"):
        register(model)
    _promote(registry, "price", 1, None)
    _promote(registry, "fraud", 1, None)
    _promote(registry, "price", 2, 1)
    assert registry.aliases.snapshot() == (Live("fraud", 1, None, 2, 1), Live("price", 2, 1, 3, 2))
    assert registry.aliases.all("price") == {"champion": 2, "previous": 1}
    assert registry.aliases.generation() == 3


def test_a_free_alias_is_set_and_moved(registry: Registry, register: Callable[..., int]) -> None:
    register()
    register()
    registry.aliases.set("price", "challenger", 1, actor="ann", now=1)
    registry.aliases.set("price", "challenger", 2, actor="ann", now=2)
    moved = registry.aliases.generation()
    registry.aliases.set("price", "challenger", 2, actor="ann", now=3)
    assert registry.aliases.get("price", "challenger") == 2
    assert registry.aliases.generation() == moved == 2


@pytest.mark.parametrize("alias", ["champion", "previous"])
def test_the_champion_is_not_set_by_hand(registry: Registry, register: Callable[..., int], alias: str) -> None:
    register()
    with pytest.raises(InvalidInput, match="promote or roll back"):
        registry.aliases.set("price", alias, 1, actor="ann", now=1)


def test_an_alias_points_at_a_version_that_is(registry: Registry, register: Callable[..., int]) -> None:
    register()
    with pytest.raises(UnknownVersion):
        registry.aliases.set("price", "challenger", 2, actor="ann", now=1)
