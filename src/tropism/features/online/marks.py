"""How far views have come, kept in the online store beside their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.features.online.layout import head, times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.features.online.store import OnlineStore

MARKS = "@known"
"""The name that marks are stored under; no view can have it."""


def mark(store: OnlineStore, stored: str, known: int) -> None:
    """Everything known up to `known` (µs) is in the rows of a view. A mark never moves back."""
    store.write(MARKS, [stored], [head(known, known)])


def begin(store: OnlineStore, stored: str, now: int) -> None:
    """Notes that the rows of a view are about to be written, so that `lost` can tell."""
    store.write(MARKS, [f"{stored} begun"], [head(now, now)])


def lost(store: OnlineStore, stored: str, begun: int) -> bool:
    """Whether the store was emptied since `begin` was called with that moment (µs): rows may be gone."""
    return marked(store, [f"{stored} begun"])[0] < begun


def marked(store: OnlineStore, stored: Sequence[str]) -> list[int]:
    """The marks of views; 0 where there is none."""
    return [moment_of(row) for row in store.read([(MARKS, stored)])[0]]


def moment_of(row: bytes | None) -> int:
    """What a stored mark says."""
    return 0 if row is None else times(row)[0]
