"""A key-value store in Redis."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tropism.core.errors import DiskFull, Fault, NotReady, SettingInvalid
from tropism.core.plugins import require
from tropism.storage.kv.base import KV, checked_ttl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

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
        self._redis = require("redis", "redis")
        # Shown in messages, so without its login.
        self._shown = re.sub(r"//[^@/]*@", "//", url)
        self._prefix = prefix
        try:
            self._client: Any = self._redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
        except ValueError as error:
            fault = Fault("kv.url", self._shown, "write it like redis://127.0.0.1:6379/0")
            raise SettingInvalid(f"this is no URL of a Redis server: {error}", fault) from error

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        found: list[bytes | None] = []
        with self._translated():
            for start in range(0, len(keys), _CHUNK):
                found += self._client.mget([self._prefix + key for key in keys[start : start + _CHUNK]])
        return found

    def put_many(self, items: Mapping[str, bytes], ttl: int | None = None) -> None:
        checked = checked_ttl(ttl)
        milliseconds = None if checked is None else -(-checked // 1_000)
        if not items:
            return
        with self._translated():
            # MULTI/EXEC: other clients see all of it or none.
            pipeline = self._client.pipeline(transaction=True)
            for key, value in items.items():
                pipeline.set(self._prefix + key, value, px=milliseconds)
            pipeline.execute()

    def delete_many(self, keys: Collection[str]) -> None:
        names = [self._prefix + key for key in keys]
        with self._translated():
            for start in range(0, len(names), _CHUNK):
                self._client.delete(*names[start : start + _CHUNK])

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._redis.exceptions.RedisError as error:
            if isinstance(error, self._redis.exceptions.OutOfMemoryError):
                fault = Fault("kv.url", self._shown, "raise the server's maxmemory, or let it evict keys")
                raise DiskFull(f"no room in Redis: {error}", fault) from error
            fault = Fault("kv.url", self._shown, "check that the server runs and takes this login")
            raise NotReady(f"Redis does not answer: {error}", fault) from error
