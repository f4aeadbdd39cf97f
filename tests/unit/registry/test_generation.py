from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.registry import generation

if TYPE_CHECKING:
    from tropism.registry import Registry


def test_the_generation_counts_up_from_zero(registry: Registry) -> None:
    with registry.db.exclusive() as connection:
        assert generation.current(connection) == 0
        assert [generation.advance(connection, 1), generation.advance(connection, 2)] == [1, 2]
    assert registry.aliases.generation() == 2


def test_a_change_that_fails_does_not_move_it(registry: Registry) -> None:
    try:
        with registry.db.exclusive() as connection:
            generation.advance(connection, 1)
            raise KeyError
    except KeyError:
        pass
    assert registry.aliases.generation() == 0
