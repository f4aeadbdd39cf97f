"""What every online store does: it keeps the newest packed row of each entity and view."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class OnlineStore(ABC):
    """Safe to use from many threads, and from many processes at once that each open it.

    Views and keys are any text that UTF-8 can hold. Rows come from `Packing`; of a row the store only reads
    `layout.STAMP`, its event and created time. Every store raises `NotReady` when it is away, `DiskFull` when there is
    no room, and `NotWritable` or `SettingInvalid` when it cannot be opened.
    """

    remote: ClassVar[bool] = False
    """Whether reading waits for another machine."""

    @abstractmethod
    def write(self, view: str, keys: Sequence[str], rows: Sequence[bytes], keep: int | None = None) -> int:
        """Writes the row of each key, unless a newer one is there: newer by event time, then by created time.

        Rows of equal times replace one another. The order of writes and the number of writers do not matter. Keys in
        sorted order are the fastest. `keep`: µs for which the rows have to be kept; after it a store may drop them.

        Returns:
            How many rows were taken.
        """

    @abstractmethod
    def read(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> list[list[bytes | None]]:
        """Rows of several views in one round trip, all as they are at one moment: for each (view, keys), a row or None
        for each key in order."""

    @abstractmethod
    def delete_view(self, view: str) -> None:
        """Removes all rows of a view. Rows written meanwhile may stay."""

    @abstractmethod
    def clear(self) -> None:
        """Removes everything."""

    @abstractmethod
    def close(self) -> None:
        """Gives back what it holds. Closing twice is fine."""
