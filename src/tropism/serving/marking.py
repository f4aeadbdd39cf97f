"""Saying which model is being called, for those who look after a process that dies in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Marker(Protocol):
    """Says which model is being called. Calls do not nest."""

    @property
    def enter(self) -> Callable[[int, int], None]:
        """To be called with the task's tag and the version, before the model is."""
        ...

    @property
    def leave(self) -> Callable[[], None]:
        """To be called after it, also when it raised."""
        ...


class Unmarked:
    """Says nothing: for a process that nobody looks after."""

    def enter(self, tag: int, version: int) -> None:
        """Does nothing."""

    def leave(self) -> None:
        """Does nothing."""
