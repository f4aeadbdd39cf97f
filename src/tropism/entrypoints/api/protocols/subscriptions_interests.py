"""Who wants to hear of which predictions."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Wish(NamedTuple):
    """Predictions of a task: those for some entities, or all of them if `entities` is None."""

    task: str
    entities: frozenset[str] | None = None


class Interests(Generic[Key]):
    """Wishes by whoever has them, one each; finds those that a prediction fulfils without looking at the others.

    >>> interests = Interests()
    >>> interests.put("ann", Wish("price"))
    >>> interests.put("bob", Wish("price", frozenset({"shop-1", "shop-2"})))
    >>> sorted(interests.of("price", "shop-2")), sorted(interests.of("price", None))
    (['ann', 'bob'], ['ann'])
    """

    def __init__(self) -> None:
        self._wishes: dict[Key, Wish] = {}
        self._places: dict[tuple[str, str | None], set[Key]] = {}

    def __bool__(self) -> bool:
        return bool(self._wishes)

    def __len__(self) -> int:
        return len(self._wishes)

    @property
    def wishes(self) -> dict[Key, Wish]:
        """All wishes, not to be changed."""
        return self._wishes

    def put(self, key: Key, wish: Wish) -> None:
        """Notes a wish; one that the key had before is forgotten."""
        self.drop(key)
        self._wishes[key] = wish
        for place in _places(wish):
            self._places.setdefault(place, set()).add(key)

    def drop(self, key: Key) -> None:
        """Forgets a wish, if there is one."""
        wish = self._wishes.pop(key, None)
        if wish is None:
            return
        for place in _places(wish):
            keys = self._places[place]
            keys.discard(key)
            if not keys:
                del self._places[place]

    def of(self, task: str, entity: str | None) -> set[Key]:
        """Whose wishes a prediction for that entity fulfils."""
        everyone = self._places.get((task, None), set())
        return everyone if entity is None else everyone | self._places.get((task, entity), set())


def _places(wish: Wish) -> list[tuple[str, str | None]]:
    return [(wish.task, None)] if wish.entities is None else [(wish.task, entity) for entity in wish.entities]
