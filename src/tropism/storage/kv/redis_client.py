"""A client of a Redis server, and its errors in words that say what to do."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tropism.core.errors import DiskFull, Fault, NotReady, SettingInvalid
from tropism.core.plugins import require

if TYPE_CHECKING:
    from collections.abc import Iterator


class RedisClient:
    """`raw`: the client of the package `redis`. Its calls belong into `translated`."""

    def __init__(self, url: str, field: str) -> None:
        """`url`: `redis://host:port/db`, also `rediss://` and `unix://`. `field`: what errors call it.

        Raises:
            SettingInvalid: it is no URL of a Redis server.
            MissingExtra: the package `redis` is not installed.
        """
        self._redis = require("redis", "redis")
        # Shown in messages, so without its login.
        self._shown = re.sub(r"//[^@/]*@", "//", url)
        self._field = field
        try:
            self.raw: Any = self._redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
        except ValueError as error:
            fault = Fault(field, self._shown, "write it like redis://127.0.0.1:6379/0")
            raise SettingInvalid(f"this is no URL of a Redis server: {error}", fault) from error

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raises `DiskFull` and `NotReady` instead of what the package raises."""
        try:
            yield
        except self._redis.exceptions.RedisError as error:
            if isinstance(error, self._redis.exceptions.OutOfMemoryError):
                fault = Fault(self._field, self._shown, "raise the server's maxmemory, or let it evict keys")
                raise DiskFull(f"no room in Redis: {error}", fault) from error
            fault = Fault(self._field, self._shown, "check that the server runs and takes this login")
            raise NotReady(f"Redis does not answer: {error}", fault) from error
