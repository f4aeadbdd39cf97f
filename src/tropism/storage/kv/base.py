"""The contract of every key-value store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from tropism.core.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


class KV(ABC):
    """Bytes by key. Members are registered under the entry-point group `tropism.kv`, built as `member(url, clock)`.

    A caller may rely on this: calls may come from any thread; `put_many` is seen whole or not at all; what was
    put survives the store object, and on SQLite a kill of the process. A key is any text without a null
    character. Raises `NotReady` when the store does not answer, and `DiskFull` when it has no room.
    """

    @abstractmethod
    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Values in the order of `keys`; None for one that is absent or has expired."""

    @abstractmethod
    def put_many(self, items: Mapping[str, bytes], ttl: int | None = None) -> None:
        """Store values. `ttl`: µs after which they are gone, at least 1; without it they stay, also where one
        that was there before had one."""

    @abstractmethod
    def delete_many(self, keys: Collection[str]) -> None:
        """Remove keys; those that are absent are passed over."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections. Closing twice is fine."""


def checked_ttl(ttl: int | None) -> int | None:
    """Raises `InvalidInput` for a time to live that is none.

    >>> checked_ttl(5)
    5
    """
    if ttl is not None and ttl < 1:
        raise InvalidInput("a value cannot expire before it is stored", Fault("ttl", str(ttl), "use at least 1 µs"))
    return ttl
