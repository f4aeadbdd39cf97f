"""A key-value store in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.storage.kv.base import KV, checked_ttl
from tropism.storage.kv.redis_client import RedisClient

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tropism.core.clock import Clock

_CHUNK = 1_000


class RedisKV(KV):
    """Shared by any number of processes and machines. As durable as the server is set up to be."""

    def __init__(self, url: str, clock: Clock | None = None, prefix: str = "tropism:") -> None:
        """`url`: `redis://host:port/db`, also `rediss://` and `unix://`. `prefix` stands before every key.

        Values expire by the server's clock, to the millisecond above; `clock` is not used.

        Raises:
            SettingInvalid: it is no URL of a Redis server.
            MissingExtra: the package `redis` is not installed.
        """
        del clock
        self._prefix = prefix
        self._client = RedisClient(url, "kv.url")

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        found: list[bytes | None] = []
        with self._client.translated():
            for start in range(0, len(keys), _CHUNK):
                found += self._client.raw.mget([self._prefix + key for key in keys[start : start + _CHUNK]])
        return found

    def put_many(self, items: Mapping[str, bytes], ttl: int | None = None) -> None:
        checked = checked_ttl(ttl)
        milliseconds = None if checked is None else -(-checked // 1_000)
        if not items:
            return
        with self._client.translated():
            # MULTI/EXEC: other clients see all of it or none.
            pipeline = self._client.raw.pipeline(transaction=True)
            for key, value in items.items():
                pipeline.set(self._prefix + key, value, px=milliseconds)
            pipeline.execute()

    def delete_many(self, keys: Collection[str]) -> None:
        names = [self._prefix + key for key in keys]
        with self._client.translated():
            for start in range(0, len(names), _CHUNK):
                self._client.raw.delete(*names[start : start + _CHUNK])

    def close(self) -> None:
        self._client.raw.close()
