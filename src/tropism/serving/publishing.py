"""Where predictions are told of as they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.events import Prediction
    from tropism.core.task import Task
    from tropism.serving.rows import Note


class Publisher(Protocol):
    """Tells whoever wants to know."""

    @property
    def active(self) -> bool:
        """Whether anybody does. Look before `publish`: it is the whole cost while nobody listens."""
        ...

    def publish(self, task: Task, events: Sequence[Prediction], notes: Sequence[tuple[Note, ...]]) -> None:
        """Takes predictions that are durable, and never waits."""
        ...


class Nobody:
    """Nobody wants to know."""

    active = False

    def publish(self, task: Task, events: Sequence[Prediction], notes: Sequence[tuple[Note, ...]]) -> None:
        """Does nothing."""
