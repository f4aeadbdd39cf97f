"""Notices by Redis' publish and subscribe."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, NotReady, SettingInvalid
from tropism.core.plugins import require
from tropism.storage.notices.base import Notices

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANNEL = "tropism:generation"


class RedisNotices(Notices):
    """Over one connection to listen and another to publish. Projects that share a server wake each other for
    nothing, unless `channel` is given in the URL: `redis://host:6379/0?channel=shop`.

    https://redis.io/docs/latest/develop/pubsub/
    """

    def __init__(self, url: str) -> None:
        """`url`: `redis://host:port/db`, or `rediss://` over TLS.

        Raises:
            SettingInvalid: it is no URL of a Redis server.
            MissingExtra: the package `redis` is not installed.
        """
        self._redis = require("redis", "redis")
        self._shown = re.sub(r"//[^@/]*@", "//", url)
        named = re.search(r"[?&]channel=([^&]*)", url)
        self._channel = f"{CHANNEL}:{named[1]}" if named else CHANNEL
        address = re.sub(r"[?&]channel=[^&]*", "", url)
        try:
            self._client: Any = self._redis.Redis.from_url(
                address,
                socket_timeout=5,
                socket_connect_timeout=5,
                socket_keepalive=True,
                health_check_interval=15,
                # Left to whoever listens: what was said while the connection was gone must be looked up.
                retry=require("redis.retry", "redis").Retry(require("redis.backoff", "redis").NoBackoff(), 0),
            )
        except ValueError as error:
            fault = Fault("notices.url", self._shown, "write it like redis://127.0.0.1:6379/0")
            raise SettingInvalid(f"this is no URL of a Redis server: {error}", fault) from error
        self._listening: Any = None

    def listen(self) -> None:
        self._forget()
        with self._translated():
            listening = self._client.pubsub()
            try:
                listening.subscribe(self._channel)
                if listening.get_message(timeout=5) is None:  # the server's word that it listens
                    raise self._redis.exceptions.TimeoutError("it did not answer in time")
            except BaseException:
                listening.close()
                raise
        self._listening = listening

    def heard(self, seconds: float) -> bool:
        if self._listening is None:
            self.listen()
        with self._translated():
            found = self._listening.get_message(timeout=seconds)
            came = False
            while found is not None:
                came |= found["type"] == "message"
                found = self._listening.get_message(timeout=0)
        return came

    def publish(self) -> None:
        with self._translated():
            self._client.publish(self._channel, b"")

    def close(self) -> None:
        self._forget()
        self._client.close()

    def _forget(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._redis.exceptions.RedisError as error:
            fault = Fault("notices.url", self._shown, "check that the server runs and takes this login")
            raise NotReady(f"no notices from Redis: {error}", fault) from error
