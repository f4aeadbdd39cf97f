from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tropism.core.errors import Conflict, InvalidInput, NotFound, UnknownVersion
from tropism.registry import NewChallenge

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.registry import Registry


@pytest.fixture(autouse=True)
def _versions(register: Callable[..., int]) -> None:
    for model in ("price", "price", "price", "fraud", "fraud"):
        register(model)


def _new(id: str, **fields: Any) -> NewChallenge:  # noqa: A002
    return NewChallenge(**{"id": id, "model": "price", "challenger": 2, "incumbent": 1, "alpha": 0.05, **fields})


def test_a_challenge_is_opened_and_closed(registry: Registry) -> None:
    opened = registry.challenges.open(_new("c"), now=1)
    assert (opened.status, opened.opened_at, opened.alpha, opened.kind) == ("open", 1, 0.05, "challenge")
    assert registry.challenges.list_open("price") == (opened,)
    closed = registry.challenges.close("c", "lost", now=2)
    assert (closed.status, closed.closed_at) == ("lost", 2)
    assert registry.challenges.list_open() == ()
    assert registry.challenges.get("c") == closed


def test_one_of_a_kind_is_open_at_a_time(registry: Registry) -> None:
    registry.challenges.open(_new("c"), now=1)
    with pytest.raises(Conflict, match="a challenge of 'price' is open") as caught:
        registry.challenges.open(_new("d", challenger=3), now=2)
    assert "'c', version 2 against 1" in caught.value.faults[0].value
    registry.challenges.open(_new("p", kind="probation"), now=2)
    registry.challenges.open(_new("f", model="fraud"), now=2)
    registry.challenges.close("c", "expired", now=3)
    registry.challenges.open(_new("d", challenger=3), now=4)
    assert [one.id for one in registry.challenges.list_open("price")] == ["p", "d"]


def test_steps_may_run_again(registry: Registry) -> None:
    opened = registry.challenges.open(_new("c"), now=1)
    assert registry.challenges.open(_new("c"), now=9) == opened
    closed = registry.challenges.close("c", "won", now=2)
    assert registry.challenges.close("c", "won", now=9) == closed
    assert registry.challenges.open(_new("c"), now=9) == closed
    assert registry.audit.head().seq == 7


def test_an_ending_stands(registry: Registry) -> None:
    registry.challenges.open(_new("c"), now=1)
    registry.challenges.close("c", "won", now=2)
    with pytest.raises(Conflict, match="'lost', it was 'won'"):
        registry.challenges.close("c", "lost", now=3)
    with pytest.raises(Conflict, match="another challenge"):
        registry.challenges.open(_new("c", challenger=3), now=3)


def test_what_cannot_be_compared_is_refused(registry: Registry) -> None:
    with pytest.raises(InvalidInput, match="itself"):
        registry.challenges.open(_new("c", challenger=1), now=1)
    with pytest.raises(UnknownVersion):
        registry.challenges.open(_new("c", challenger=4), now=1)
    with pytest.raises(NotFound):
        registry.challenges.close("x", "won", now=1)
